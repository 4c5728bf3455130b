/* Copies what is at a URL to a file. */

import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;

public class Fetch {
    public static void main(String[] args) throws Exception {
        try (InputStream in = new URL(args[0]).openStream()) {
            Files.copy(in, Path.of(args[1]));
        }
    }
}
