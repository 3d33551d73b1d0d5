# Java: its compiler, threads, exceptions by signals, what it translates
cat >T.java <<'X'
import java.util.*; import java.util.concurrent.*; import java.util.stream.*; import java.security.*; import java.util.zip.*; import java.nio.file.*;
public class T {
    static double loop(int n) { double s = 0; for (int i = 1; i < n; i++) s += Math.sin(i) / i + Math.sqrt(i) * 1e-6; return s; }
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    public static void main(String[] a) throws Exception {
        System.out.println("hello, world");
        System.out.println(fib(25) + " " + loop(200000));
        ExecutorService pool = Executors.newFixedThreadPool(8); List<Future<Long>> f = new ArrayList<>();
        for (int t = 0; t < 32; t++) { final int k = t; f.add(pool.submit(() -> { long s = 0; for (int i = 0; i < 100000; i++) s += (i * 31L) ^ k; return s; })); }
        long total = 0; for (Future<Long> x : f) total += x.get(); pool.shutdown(); System.out.println(total);
        System.out.println(IntStream.range(0, 20000).parallel().filter(i -> i % 7 == 3).mapToLong(i -> i).sum());
        ConcurrentHashMap<Integer, Integer> m = new ConcurrentHashMap<>(); Thread[] ts = new Thread[4];
        for (int t = 0; t < 4; t++) { ts[t] = new Thread(() -> { for (int i = 0; i < 20000; i++) m.merge(i % 97, 1, Integer::sum); }); ts[t].start(); } for (Thread t : ts) t.join();
        System.out.println(m.values().stream().mapToInt(i -> i).sum());
        Object lock = new Object(); int[] n = {0}; Thread w = new Thread(() -> { synchronized (lock) { for (int i = 0; i < 100; i++) { n[0]++; lock.notifyAll(); try { lock.wait(20); } catch (InterruptedException e) {} } } });
        synchronized (lock) { w.start(); for (int i = 0; i < 50; i++) { lock.wait(20); lock.notifyAll(); } } w.join(); System.out.println("turns " + n[0]);
        System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest("abc".getBytes())));
        CRC32 c = new CRC32(); byte[] b = new byte[100000]; new Random(42).nextBytes(b); c.update(b); System.out.println(c.getValue());
        try { int[] z = null; System.out.println(z[0]); } catch (NullPointerException e) { System.out.println("null caught"); }
        try { deep(0); } catch (StackOverflowError e) { System.out.println("overflow caught"); }
        try { System.out.println(1 / (a.length)); } catch (ArithmeticException e) { System.out.println(e.getMessage()); }
        List<byte[]> junk = new ArrayList<>(); long sum = 0; for (int i = 0; i < 5000; i++) { junk.add(new byte[20000]); if (junk.size() > 50) { sum += junk.remove(0).length; } } System.out.println("gc " + sum); System.gc();
        Process p = new ProcessBuilder("/bin/echo", "child").start(); System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor());
        Path t = Files.createTempFile("x", "y"); Files.writeString(t, "file\n"); System.out.print(Files.readString(t)); Files.delete(t);
        System.out.println(Stream.of("c", "a", "b").sorted().collect(Collectors.joining(",")) + String.format(" %.10e %s", Math.PI, new java.math.BigInteger("2").pow(200)));
    }
    static int deep(int n) { return deep(n + 1) + 1; }
}
X
export MALLOC_ARENA_MAX=1; javac T.java && java -cp . T
