package millrace.bench;

import java.util.Set;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.abilities.SupportsWatermarkPushDown;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

/** The table over a loaded stream. Watermarks are made in the source, as Flink's Kafka source makes them. */
public final class EventTableFactory implements DynamicTableSourceFactory {
    static final String NAME = "millrace-events";
    private static final ConfigOption<String> STREAM =
            ConfigOptions.key("stream").stringType().noDefaultValue();
    private static final ConfigOption<Long> LIMIT = ConfigOptions.key("limit").longType().noDefaultValue();

    @Override
    public String factoryIdentifier() {
        return NAME;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(STREAM, LIMIT);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        return new EventTable(Stream.of(helper.getOptions().get(STREAM)), helper.getOptions().get(LIMIT));
    }

    private static final class EventTable implements ScanTableSource, SupportsWatermarkPushDown {
        private final Stream stream;
        private final long limit;
        private WatermarkStrategy<RowData> watermarks = WatermarkStrategy.noWatermarks();

        EventTable(Stream stream, long limit) {
            this.stream = stream;
            this.limit = limit;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }

        @Override
        public void applyWatermark(WatermarkStrategy<RowData> strategy) {
            watermarks = strategy;
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            return new DataStreamScanProvider() {
                @Override
                public DataStream<RowData> produceDataStream(
                        ProviderContext provider, StreamExecutionEnvironment environment) {
                    return environment.fromSource(new EventSource(stream, limit), watermarks, stream.table);
                }

                @Override
                public boolean isBounded() {
                    return true;
                }
            };
        }

        @Override
        public DynamicTableSource copy() {
            EventTable copy = new EventTable(stream, limit);
            copy.watermarks = watermarks;
            return copy;
        }

        @Override
        public String asSummaryString() {
            return NAME;
        }
    }
}
