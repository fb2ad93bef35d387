package millrace.bench;

import java.util.List;

/** The three streams: what their files hold, field by field, and how Flink declares them. */
enum Stream {
    PERSON("person", List.of(
            Field.number("id"),
            Field.text("name"),
            Field.text("emailAddress"),
            Field.text("creditCard"),
            Field.text("city"),
            Field.text("state"),
            Field.time("dateTime"),
            Field.text("extra"))),
    AUCTION("auction", List.of(
            Field.number("id"),
            Field.text("itemName"),
            Field.text("description"),
            Field.number("initialBid"),
            Field.number("reserve"),
            Field.time("dateTime"),
            Field.time("expires"),
            Field.number("seller"),
            Field.number("category"),
            Field.text("extra"))),
    BID("bid", List.of(
            Field.number("auction"),
            Field.number("bidder"),
            Field.number("price"),
            Field.text("channel"),
            Field.text("url"),
            Field.time("dateTime"),
            Field.text("extra")));

    enum Kind { NUMBER, TEXT, TIME }

    record Field(String name, Kind kind) {
        static Field number(String name) {
            return new Field(name, Kind.NUMBER);
        }

        static Field text(String name) {
            return new Field(name, Kind.TEXT);
        }

        static Field time(String name) {
            return new Field(name, Kind.TIME);
        }

        String ddl() {
            return "`" + name + "` " + switch (kind) {
                case NUMBER -> "BIGINT";
                case TEXT -> "STRING";
                case TIME -> "TIMESTAMP(3)";
            };
        }
    }

    final String table;
    final List<Field> fields;

    Stream(String table, List<Field> fields) {
        this.table = table;
        this.fields = fields;
    }

    static Stream of(String table) {
        for (Stream stream : values()) {
            if (stream.table.equals(table)) {
                return stream;
            }
        }
        throw new IllegalArgumentException("no stream is named " + table);
    }

    /** The table over the first {@code limit} rows of the stream, with its watermark. */
    String ddl(long limit) {
        StringBuilder text = new StringBuilder("CREATE TEMPORARY TABLE " + table + " (\n");
        fields.forEach(field -> text.append("  ").append(field.ddl()).append(",\n"));
        return text.append("  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND\n")
                .append(") WITH ('connector' = '").append(EventTableFactory.NAME)
                .append("', 'stream' = '").append(table)
                .append("', 'limit' = '").append(limit).append("')")
                .toString();
    }
}
