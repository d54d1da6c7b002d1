// The JDK's own java.net.http.WebSocket as a client. It has no permessage-deflate.
// Run: java JdkClient.java ECHO_URL SMALL_URL [CA_FILE]

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class JdkClient {
    static final String TEXT = "Gr\u00fc\u00dfe, \u4e16\u754c \u2013 \u043f\u0440\u0438\u0432\u0435\u0442 \ud83d\udc4b\ud83c\udffd";
    static final int PART_BYTES = 65_536;
    static final long WAIT_S = 15;

    record Closed(int code, String reason) {}

    record Pong(String payload) {}

    /** Puts whole messages, pongs, the close and failures into one queue, in the order they came. */
    static class Inbox implements WebSocket.Listener {
        final BlockingQueue<Object> heard = new LinkedBlockingQueue<>();
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                heard.add(text.toString());
                text.setLength(0);
            }
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
            byte[] part = new byte[data.remaining()];
            data.get(part);
            bytes.writeBytes(part);
            if (last) {
                heard.add(bytes.toByteArray());
                bytes.reset();
            }
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onPong(WebSocket socket, ByteBuffer payload) {
            heard.add(new Pong(StandardCharsets.UTF_8.decode(payload).toString()));
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            heard.add(new Closed(code, reason));
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            heard.add(error);
        }

        Object next(String what) throws Exception {
            Object next = heard.poll(WAIT_S, TimeUnit.SECONDS);
            check(next != null, "waited " + WAIT_S + " s for " + what);
            if (next instanceof Throwable error) throw new IllegalStateException(what, error);
            return next;
        }
    }

    public static void main(String[] words) {
        try {
            HttpClient.Builder builder = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(WAIT_S));
            if (words.length > 2) builder.sslContext(trusting(Path.of(words[2])));
            HttpClient client = builder.build();
            talk(client, words[0]);
            beClosed(client, words[1]);
            System.out.println("ok jdk-" + Runtime.version().feature()
                + " plain: text binary 1MiB/16 ping close:4001 closed:1009");
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    static void talk(HttpClient client, String url) throws Exception {
        Inbox inbox = new Inbox();
        WebSocket socket = open(client, url, inbox);
        done(socket.sendText(TEXT, true));
        check(TEXT.equals(inbox.next("the text")), "the text came back changed");

        byte[] all = new byte[256];
        for (int at = 0; at < all.length; at++) all[at] = (byte) at;
        done(socket.sendBinary(ByteBuffer.wrap(all), true));
        check(Arrays.equals(all, (byte[]) inbox.next("the bytes")), "the bytes came back changed");

        byte[] big = new byte[1 << 20];
        for (int at = 0; at < big.length; at++) big[at] = (byte) (at * 31 + (at >> 8));
        for (int at = 0; at < big.length; at += PART_BYTES) {
            done(socket.sendBinary(ByteBuffer.wrap(big, at, PART_BYTES), at + PART_BYTES == big.length));
        }
        check(Arrays.equals(big, (byte[]) inbox.next("the mebibyte")), "the mebibyte came back changed");

        done(socket.sendPing(StandardCharsets.UTF_8.encode("are you there?")));
        check(new Pong("are you there?").equals(inbox.next("the pong")), "the pong has another payload");

        done(socket.sendClose(4001, "tsch\u00fcs"));
        Object closed = inbox.next("the close");
        check(closed instanceof Closed answer && answer.code() == 4001, "the answer to the close is " + closed);
    }

    /** At the second address messages have the default limit: one that is longer is answered with 1009. */
    static void beClosed(HttpClient client, String url) throws Exception {
        Inbox inbox = new Inbox();
        WebSocket socket = open(client, url, inbox);
        // The close may come while it is still being sent: what counts is the close.
        socket.sendBinary(ByteBuffer.allocate(100_000), true);
        Object heard = inbox.next("to be closed");
        check(heard instanceof Closed closed && closed.code() == 1009 && closed.reason().contains("max_message_bytes"),
            "a message too long was answered with " + heard);
    }

    static WebSocket open(HttpClient client, String url, Inbox inbox) throws Exception {
        return done(client.newWebSocketBuilder().buildAsync(URI.create(url), inbox));
    }

    static <T> T done(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(WAIT_S, TimeUnit.SECONDS);
    }

    static void check(boolean holds, String words) {
        if (!holds) throw new AssertionError(words);
    }

    static SSLContext trusting(Path file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var stream = Files.newInputStream(file)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(stream));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
