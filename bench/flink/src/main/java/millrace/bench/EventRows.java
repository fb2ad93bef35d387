package millrace.bench;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.core.memory.MemorySegmentFactory;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.writer.BinaryRowWriter;
import org.apache.flink.types.RowKind;

/**
 * A stream in memory, already in Flink's own binary row layout: reading a row only moves a pointer, so what is
 * timed is the query. The memory is outside the heap, so neither does the collector work for it.
 */
final class EventRows {
    private static final Map<Stream, EventRows> LOADED = new ConcurrentHashMap<>();
    private static final String MAGIC = "MILLRNX1";
    private static final int CHUNK_BYTES = 16 << 20;

    private final List<MemorySegment> chunks = new ArrayList<>();
    private final int fields;
    private long rows;

    private EventRows(int fields) {
        this.fields = fields;
    }

    static EventRows of(Stream stream) {
        EventRows rows = LOADED.get(stream);
        if (rows == null) {
            throw new IllegalStateException(stream.table + " was not loaded: no query was seen to read it");
        }
        return rows;
    }

    long count() {
        return rows;
    }

    /** Bytes of all streams in memory. */
    static long allBytes() {
        return LOADED.values().stream().mapToLong(rows -> (long) rows.chunks.size() * CHUNK_BYTES).sum();
    }

    static void load(Stream stream, Path folder) throws IOException {
        Path file = folder.resolve(stream.table + ".bin");
        EventRows rows = new EventRows(stream.fields.size());
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file), 1 << 20))) {
            String magic = new String(in.readNBytes(MAGIC.length()), StandardCharsets.US_ASCII);
            if (!magic.equals(MAGIC)) {
                throw new IOException(file + " is not a file of events: it does not begin with " + MAGIC);
            }
            rows.read(in, stream, readLong(in));
        } catch (EOFException end) {
            throw new IOException(file + " ends in the middle of a row", end);
        }
        LOADED.put(stream, rows);
    }

    private void read(DataInputStream in, Stream stream, long count) throws IOException {
        BinaryRowData row = new BinaryRowData(fields);
        BinaryRowWriter writer = new BinaryRowWriter(row);
        MemorySegment chunk = chunk();
        int used = 0;
        for (long i = 0; i < count; i++) {
            writer.reset();
            for (int at = 0; at < fields; at++) {
                switch (stream.fields.get(at).kind()) {
                    case NUMBER -> writer.writeLong(at, readLong(in));
                    case TIME -> writer.writeTimestamp(at, TimestampData.fromEpochMillis(readLong(in)), 3);
                    case TEXT -> writer.writeString(at, StringData.fromBytes(readText(in)));
                }
            }
            writer.complete();
            int size = row.getSizeInBytes();
            // A chunk ends with a length of zero; every row begins at a multiple of eight.
            if (used + 8 + size + 8 > CHUNK_BYTES) {
                chunk.putInt(used, 0);
                chunk = chunk();
                used = 0;
            }
            chunk.putInt(used, size);
            row.getSegments()[0].copyTo(row.getOffset(), chunk, used + 8, size);
            used += 8 + (size + 7) / 8 * 8;
        }
        chunk.putInt(used, 0);
        rows = count;
    }

    private MemorySegment chunk() {
        MemorySegment chunk = MemorySegmentFactory.allocateOffHeapUnsafeMemory(CHUNK_BYTES);
        chunks.add(chunk);
        return chunk;
    }

    private static long readLong(DataInputStream in) throws IOException {
        return Long.reverseBytes(in.readLong());
    }

    private static byte[] readText(DataInputStream in) throws IOException {
        byte[] text = new byte[Integer.reverseBytes(in.readInt())];
        in.readFully(text);
        return text;
    }

    Cursor cursor() {
        return new Cursor();
    }

    /** Walks the rows. There is one row object for all of them: job and source agree on object reuse. */
    final class Cursor {
        private final BinaryRowData row = new BinaryRowData(fields);
        private MemorySegment chunk = chunks.get(0);
        private int next;
        private int at;

        BinaryRowData advance() {
            int size = chunk.getInt(at);
            if (size == 0) {
                next++;
                chunk = chunks.get(next);
                at = 0;
                size = chunk.getInt(0);
            }
            row.pointTo(chunk, at + 8, size);
            // An operator may have marked this very row as an update when an earlier run read it.
            row.setRowKind(RowKind.INSERT);
            at += 8 + (size + 7) / 8 * 8;
            return row;
        }
    }
}
