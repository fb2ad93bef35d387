package millrace.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Wall time and CPU time of this process (user and system, all its threads: tasks, collector, compiler, checkpoints)
 * from the first row that a source hands over until the last sink has seen the end of its input.
 */
final class Meter {
    private static final OperatingSystemMXBean PROCESS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final AtomicLong READ = new AtomicLong();
    private static final AtomicLong WRITTEN = new AtomicLong();
    private static boolean running;
    private static long wallStart;
    private static long cpuStart;
    private static long wallEnd;
    private static long cpuEnd;

    private Meter() {}

    /** What one run used. */
    record Figures(long read, long written, double wallSeconds, double cpuSeconds) {}

    static synchronized void reset() {
        READ.set(0);
        WRITTEN.set(0);
        running = false;
        wallEnd = 0;
    }

    static synchronized void sourceBegins() {
        if (!running) {
            running = true;
            wallStart = System.nanoTime();
            cpuStart = PROCESS.getProcessCpuTime();
        }
    }

    static void sourceEnds(long rows) {
        READ.addAndGet(rows);
    }

    static synchronized void sinkEnds(long rows) {
        WRITTEN.addAndGet(rows);
        wallEnd = System.nanoTime();
        cpuEnd = PROCESS.getProcessCpuTime();
    }

    static synchronized Figures figures() {
        if (!running || wallEnd == 0) {
            throw new IllegalStateException("the job ended without a source that began and a sink that ended");
        }
        return new Figures(READ.get(), WRITTEN.get(), (wallEnd - wallStart) / 1e9, (cpuEnd - cpuStart) / 1e9);
    }

    /** Peak resident memory of this process since it started, in bytes. */
    static long peakResident() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) << 10;
            }
        }
        throw new IOException("/proc/self/status has no VmHWM");
    }
}
