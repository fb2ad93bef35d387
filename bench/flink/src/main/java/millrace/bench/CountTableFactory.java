package millrace.bench;

import java.util.Set;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.types.RowKind;

/** A sink that counts rows and drops them. As Flink's `blackhole`, it spares the query the old row of an update. */
public final class CountTableFactory implements DynamicTableSinkFactory {
    static final String NAME = "millrace-count";

    @Override
    public String factoryIdentifier() {
        return NAME;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        return new CountTable();
    }

    private static final class CountTable implements DynamicTableSink {
        @Override
        public ChangelogMode getChangelogMode(ChangelogMode requested) {
            ChangelogMode.Builder mode = ChangelogMode.newBuilder();
            for (RowKind kind : requested.getContainedKinds()) {
                if (kind != RowKind.UPDATE_BEFORE) {
                    mode.addContainedKind(kind);
                }
            }
            return mode.build();
        }

        @Override
        public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
            return SinkV2Provider.of(new CountSink());
        }

        @Override
        public DynamicTableSink copy() {
            return new CountTable();
        }

        @Override
        public String asSummaryString() {
            return NAME;
        }
    }

    private static final class CountSink implements Sink<RowData> {
        private static final long serialVersionUID = 1;

        @Override
        public SinkWriter<RowData> createWriter(WriterInitContext context) {
            return new CountWriter();
        }
    }

    private static final class CountWriter implements SinkWriter<RowData> {
        private long rows;

        @Override
        public void write(RowData row, Context context) {
            rows++;
        }

        @Override
        public void flush(boolean endOfInput) {
            if (endOfInput) {
                Meter.sinkEnds(rows);
            }
        }

        @Override
        public void close() {}
    }
}
