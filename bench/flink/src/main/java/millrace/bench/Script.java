package millrace.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;

/** The statements of a query's file, run as one job into counting sinks made to fit each `INSERT`. */
final class Script {
    private static final Pattern INSERT = Pattern.compile(
            "INSERT\\s+INTO\\s+`?(\\w+)`?\\s*(?:\\([\\w\\s,`]+\\)\\s*)?(.*)", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);
    private static final Pattern SINK_DDL =
            Pattern.compile("CREATE\\s+(?:TEMPORARY\\s+)?TABLE\\s.*", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

    private static final String TIME_COLUMN = "dateTime";

    private final List<String> statements;

    Script(String text) {
        statements = split(text);
    }

    /** The streams that the text names anywhere: those that must be loaded. */
    List<Stream> streams() {
        List<Stream> named = new ArrayList<>();
        for (Stream stream : Stream.values()) {
            Pattern word = Pattern.compile("\\b" + stream.table + "\\b", Pattern.CASE_INSENSITIVE);
            if (statements.stream().anyMatch(statement -> word.matcher(statement).find())) {
                named.add(stream);
            }
        }
        return named;
    }

    TableResult run(StreamTableEnvironment tables, boolean explain) {
        StatementSet job = tables.createStatementSet();
        for (String statement : statements) {
            Matcher insert = INSERT.matcher(statement);
            if (insert.matches()) {
                ResolvedSchema schema = tables.sqlQuery(insert.group(2)).getResolvedSchema();
                tables.executeSql(sink(insert.group(1), schema));
                job.addInsertSql("INSERT INTO `" + insert.group(1) + "` " + insert.group(2));
            } else if (!SINK_DDL.matcher(statement).matches()) {
                tables.executeSql(statement);
            }
        }
        if (explain) {
            System.err.println(job.explain());
        }
        return job.execute();
    }

    private static String sink(String name, ResolvedSchema schema) {
        List<String> columns = new ArrayList<>();
        for (Column column : schema.getColumns()) {
            columns.add("`" + column.getName() + "` " + column.getDataType().getLogicalType().asSerializableString());
        }
        return "CREATE TEMPORARY TABLE `" + name + "` (" + String.join(", ", columns)
                + ") WITH ('connector' = '" + CountTableFactory.NAME + "')";
    }

    /**
     * Cuts at semicolons outside quotes, drops comments, and quotes the column {@code dateTime}: newer Flinks take it
     * for the name of a type.
     */
    private static List<String> split(String text) {
        List<String> found = new ArrayList<>();
        StringBuilder statement = new StringBuilder();
        char quote = 0;
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (quote == 0 && text.startsWith("--", at)) {
                int end = text.indexOf('\n', at);
                at = end < 0 ? text.length() : end;
                statement.append('\n');
            } else if (quote == 0 && text.startsWith("/*", at)) {
                int end = text.indexOf("*/", at + 2);
                at = end < 0 ? text.length() : end + 1;
            } else if (quote == 0 && c == ';') {
                found.add(statement.toString().strip());
                statement.setLength(0);
            } else if (quote == 0 && isWord(text, at, TIME_COLUMN)) {
                statement.append('`').append(TIME_COLUMN).append('`');
                at += TIME_COLUMN.length() - 1;
            } else {
                if (quote == 0 && (c == '\'' || c == '`' || c == '"')) {
                    quote = c;
                } else if (c == quote) {
                    quote = 0;
                }
                statement.append(c);
            }
        }
        found.add(statement.toString().strip());
        found.removeIf(String::isEmpty);
        return found;
    }

    private static boolean isWord(String text, int at, String word) {
        int end = at + word.length();
        return text.startsWith(word, at)
                && (at == 0 || !Character.isJavaIdentifierPart(text.charAt(at - 1)))
                && (end == text.length() || !Character.isJavaIdentifierPart(text.charAt(end)));
    }
}
