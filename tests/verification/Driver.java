// Calls generated Java code: java Driver.java FOLDER CASES. See README.md.

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.tools.ToolProvider;

public final class Driver {
    public static void main(String[] arguments) throws Exception {
        Map<String, Method> verifiers = new HashMap<>();
        try (var folders = Files.list(Path.of(arguments[0]))) {
            for (Path folder : folders.toList()) {
                verifiers.put(folder.getFileName().toString(), compiled(folder));
            }
        }
        StringBuilder judged = new StringBuilder();
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            judged.append(judge(verifiers, line.split("\t", -1))).append('\n');
        }
        System.out.write(judged.toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    private static Method compiled(Path folder) throws Exception {
        String source = folder.resolve("WebhookVerifier.java").toString();
        String[] options = {"-Xlint:all,-serial", "-Werror", "-encoding", "UTF-8", "-d", folder.toString(), source};
        if (ToolProvider.getSystemJavaCompiler().run(null, System.err, System.err, options) != 0) {
            throw new IllegalStateException(source + " does not compile");
        }
        Class<?> verifier = new URLClassLoader(new URL[] {folder.toUri().toURL()}).loadClass("WebhookVerifier");
        // The one that takes the time, where there are two.
        return Arrays.stream(verifier.getMethods())
                .filter(method -> method.getName().equals("verify"))
                .max((left, right) -> left.getParameterCount() - right.getParameterCount())
                .orElseThrow();
    }

    private static String judge(Map<String, Method> verifiers, String[] fields) throws Exception {
        List<byte[]> texts = new ArrayList<>();
        for (int index = 3; index < fields.length; index++) {
            texts.add(Base64.getDecoder().decode(fields[index]));
        }
        Map<String, String> headers = new HashMap<>();
        for (int index = 4; index < texts.size(); index += 2) {
            headers.put(text(texts.get(index)), text(texts.get(index + 1)));
        }
        List<Object> given = new ArrayList<>(List.of(text(texts.get(0)), headers, texts.get(1)));
        if (fields[1].contains("url")) {
            given.add(text(texts.get(2)));
        }
        if (fields[1].contains("method")) {
            given.add(text(texts.get(3)));
        }
        if (!fields[2].equals("-")) {
            given.add(Instant.ofEpochSecond(Long.parseLong(fields[2])));
        }
        try {
            verifiers.get(fields[0]).invoke(null, given.toArray());
            return "genuine";
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause().getClass().getSimpleName().equals("VerificationException")) {
                return "refused " + thrown.getCause().getMessage();
            }
            throw thrown;
        }
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
