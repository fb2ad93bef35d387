package millrace.bench;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.ScalarFunction;

/** {@code count_char(text, character)} of q14, on Flink's internal strings so that nothing is converted. */
public final class CountChar extends ScalarFunction {
    private static final long serialVersionUID = 1;

    /** How often the first byte of {@code character} is in {@code text}; null counts as no text. */
    public long eval(
            @DataTypeHint(value = "STRING", bridgedTo = StringData.class) StringData text,
            @DataTypeHint(value = "STRING", bridgedTo = StringData.class) StringData character) {
        if (text == null || character == null) {
            return 0;
        }
        byte wanted = character.toBytes()[0];
        long count = 0;
        for (byte each : text.toBytes()) {
            if (each == wanted) {
                count++;
            }
        }
        return count;
    }
}
