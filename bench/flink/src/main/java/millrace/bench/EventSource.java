package millrace.bench;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

/** A bounded source over one loaded stream: one split, whose checkpoint is the number of rows handed over. */
final class EventSource implements Source<RowData, EventSource.Split, Boolean> {
    private static final long serialVersionUID = 1;
    /** Rows a poll hands over before it lets the task look at its mailbox (barriers, timers). */
    private static final int ROWS_PER_POLL = 128;

    private final Stream stream;
    private final long limit;

    EventSource(Stream stream, long limit) {
        this.stream = stream;
        this.limit = limit;
    }

    /** All rows of the stream from {@code row} on. */
    record Split(long row) implements SourceSplit {
        @Override
        public String splitId() {
            return "0";
        }
    }

    @Override
    public Boundedness getBoundedness() {
        return Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<RowData, Split> createReader(SourceReaderContext context) {
        return new Reader(context, EventRows.of(stream), limit);
    }

    @Override
    public SplitEnumerator<Split, Boolean> createEnumerator(SplitEnumeratorContext<Split> context) {
        return new Enumerator(context, false);
    }

    @Override
    public SplitEnumerator<Split, Boolean> restoreEnumerator(
            SplitEnumeratorContext<Split> context, Boolean assigned) {
        return new Enumerator(context, assigned);
    }

    @Override
    public SimpleVersionedSerializer<Split> getSplitSerializer() {
        return new NumberSerializer<>() {
            @Override
            long number(Split split) {
                return split.row();
            }

            @Override
            Split of(long number) {
                return new Split(number);
            }
        };
    }

    @Override
    public SimpleVersionedSerializer<Boolean> getEnumeratorCheckpointSerializer() {
        return new NumberSerializer<>() {
            @Override
            long number(Boolean assigned) {
                return assigned ? 1 : 0;
            }

            @Override
            Boolean of(long number) {
                return number == 1;
            }
        };
    }

    private abstract static class NumberSerializer<T> implements SimpleVersionedSerializer<T> {
        abstract long number(T value);

        abstract T of(long number);

        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(T value) {
            return ByteBuffer.allocate(8).putLong(number(value)).array();
        }

        @Override
        public T deserialize(int version, byte[] bytes) {
            return of(ByteBuffer.wrap(bytes).getLong());
        }
    }

    /** Gives the one split to whoever asks first. */
    private static final class Enumerator implements SplitEnumerator<Split, Boolean> {
        private final SplitEnumeratorContext<Split> context;
        private boolean assigned;

        Enumerator(SplitEnumeratorContext<Split> context, boolean assigned) {
            this.context = context;
            this.assigned = assigned;
        }

        @Override
        public void start() {}

        @Override
        public void handleSplitRequest(int subtask, String host) {
            if (!assigned) {
                assigned = true;
                context.assignSplit(new Split(0), subtask);
            }
            context.signalNoMoreSplits(subtask);
        }

        @Override
        public void addSplitsBack(List<Split> splits, int subtask) {
            throw new IllegalStateException("the benchmark's jobs are never restarted");
        }

        @Override
        public void addReader(int subtask) {}

        @Override
        public Boolean snapshotState(long checkpoint) {
            return assigned;
        }

        @Override
        public void close() {}
    }

    private static final class Reader implements SourceReader<RowData, Split> {
        private final SourceReaderContext context;
        private final EventRows rows;
        private final long end;
        private final CompletableFuture<Void> started = new CompletableFuture<>();
        private EventRows.Cursor cursor;
        private long row;

        Reader(SourceReaderContext context, EventRows rows, long limit) {
            this.context = context;
            this.rows = rows;
            this.end = Math.min(limit, rows.count());
        }

        @Override
        public void start() {
            context.sendSplitRequest();
        }

        @Override
        public InputStatus pollNext(ReaderOutput<RowData> output) {
            if (!started.isDone()) {
                return InputStatus.NOTHING_AVAILABLE;
            }
            if (cursor == null) {
                cursor = rows.cursor();
                for (long skipped = 0; skipped < row; skipped++) {
                    cursor.advance();
                }
                Meter.sourceBegins();
            }
            long until = Math.min(end, row + ROWS_PER_POLL);
            for (; row < until; row++) {
                output.collect(cursor.advance());
            }
            if (row < end) {
                return InputStatus.MORE_AVAILABLE;
            }
            Meter.sourceEnds(row);
            return InputStatus.END_OF_INPUT;
        }

        @Override
        public List<Split> snapshotState(long checkpoint) {
            return started.isDone() ? List.of(new Split(row)) : List.of();
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return started;
        }

        @Override
        public void addSplits(List<Split> splits) {
            row = splits.get(0).row();
            started.complete(null);
        }

        @Override
        public void notifyNoMoreSplits() {}

        @Override
        public void close() {}
    }
}
