// Decodes dumped streams with java.util.zip.Inflater, as JDA does, and compares every payload:
// `java Decode.java FOLDER LIMIT`. The files and what is printed are described in decode.py.
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.zip.Inflater;
import java.util.zip.InflaterOutputStream;

public final class Decode {
    private static byte[] next(DataInputStream in) throws IOException {
        int length;
        try {
            length = in.readInt();
        } catch (EOFException end) {
            return null;
        }
        byte[] record = new byte[length];
        in.readFully(record);
        return record;
    }

    private static DataInputStream open(File file) throws IOException {
        return new DataInputStream(new BufferedInputStream(new FileInputStream(file), 1 << 20));
    }

    public static void main(String[] arguments) throws Exception {
        long limit = Long.parseLong(arguments[1]);
        long messages = 0;
        long payloadBytes = 0;
        long streamBytes = 0;
        File[] files = new File(arguments[0]).listFiles((folder, name) -> name.endsWith(".stream"));
        Arrays.sort(files, Comparator.comparingInt(file -> Integer.parseInt(file.getName().replace(".stream", ""))));
        for (File file : files) {
            String expect = file.getPath().replace(".stream", ".expect");
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            InflaterOutputStream inflater = new InflaterOutputStream(out, new Inflater());
            try (DataInputStream stream = open(file); DataInputStream expected = open(new File(expect))) {
                for (int at = 0; messages < limit; at++) {
                    byte[] message = next(stream);
                    byte[] want = next(expected);
                    if (message == null && want == null) {
                        break;
                    }
                    out.reset();
                    if (message != null) {
                        inflater.write(message);
                        inflater.flush();
                    }
                    byte[] payload = out.toByteArray();
                    if (message == null || !Arrays.equals(payload, want)) {
                        throw new IOException(file.getName() + ": message " + at + " is not its payload");
                    }
                    messages++;
                    payloadBytes += payload.length;
                    streamBytes += message.length;
                    if (messages % 20000 == 0) {
                        System.out.println(messages);
                    }
                }
            }
            if (messages >= limit) {
                break;
            }
        }
        System.out.printf(
            "{\"messages\": %d, \"payload_bytes\": %d, \"stream_bytes\": %d}%n", messages, payloadBytes, streamBytes);
    }
}
