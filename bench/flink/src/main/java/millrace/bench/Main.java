package millrace.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** Times one query: loads its events, runs it once on a part of them, then on all, and prints the second run. */
public final class Main {
    private Main() {}

    /** Options come in pairs, `--name value`; {@code run.sh} gives every one. */
    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int at = 0; at + 1 < args.length; at += 2) {
            options.put(args[at], args[at + 1]);
        }
        String query = options.get("--query");
        Script script = new Script(Files.readString(Path.of(options.get("--sql"))));
        List<Stream> streams = script.streams();
        for (Stream stream : streams) {
            EventRows.load(stream, Path.of(options.get("--events")));
        }
        boolean explain = Boolean.parseBoolean(options.get("--explain"));
        double part = Double.parseDouble(options.get("--warmup"));
        if (part > 0) {
            run(script, streams, options, part, false);
            System.gc();
        }
        Meter.Figures figures = run(script, streams, options, 1, explain);
        System.out.printf(Locale.ROOT, "%s\t%d\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t%d%n",
                query,
                figures.read(),
                figures.wallSeconds(),
                figures.cpuSeconds(),
                figures.read() / figures.cpuSeconds() / 1000,
                figures.read() / figures.wallSeconds() / 1000,
                Meter.peakResident() - EventRows.allBytes() >> 20,
                figures.written());
        // The cluster's threads would keep the process for a while.
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static Meter.Figures run(
            Script script, List<Stream> streams, Map<String, String> options, double part, boolean explain)
            throws Exception {
        StreamTableEnvironment tables = StreamTableEnvironment.create(
                StreamExecutionEnvironment.createLocalEnvironment(1, configuration(options)));
        for (Stream stream : streams) {
            tables.executeSql(stream.ddl((long) Math.ceil(EventRows.of(stream).count() * part)));
        }
        tables.createTemporarySystemFunction("count_char", CountChar.class);
        Meter.reset();
        TableResult result = script.run(tables, explain);
        result.await();
        return Meter.figures();
    }

    private static Configuration configuration(Map<String, String> options) {
        Map<String, String> values = new HashMap<>();
        String folder = Path.of(options.get("--state")).toAbsolutePath().toUri().toString();
        values.put("state.backend.type", options.get("--backend"));
        values.put("execution.checkpointing.interval", "10 s");
        values.put("execution.checkpointing.mode", "EXACTLY_ONCE");
        values.put("execution.checkpointing.storage", "filesystem");
        values.put("execution.checkpointing.dir", folder);
        values.put("execution.checkpointing.incremental", "true");
        // Else a bounded job would sit waiting for one more checkpoint after its last row.
        values.put("execution.checkpointing.checkpoints-after-tasks-finish.enabled", "false");
        values.put("restart-strategy.type", "none");
        values.put("pipeline.object-reuse", "true");
        values.put("table.local-time-zone", "UTC");
        values.put("taskmanager.memory.managed.size", options.get("--managed"));
        String miniBatch = options.get("--mini-batch");
        if (!miniBatch.equals("0")) {
            values.put("table.exec.mini-batch.enabled", "true");
            values.put("table.exec.mini-batch.allow-latency", miniBatch);
            values.put("table.exec.mini-batch.size", "50000");
        }
        return Configuration.fromMap(values);
    }
}
