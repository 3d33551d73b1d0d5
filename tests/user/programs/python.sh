# python3
cat >t.py <<'X'
import array, collections, ctypes, datetime, decimal, fractions, functools, hashlib, itertools, json, math, os, pickle, random, re, select, signal, socket, sqlite3, struct, subprocess, sys, tempfile, time, zlib
print(sys.version_info[:2], sys.byteorder, sys.maxsize, struct.calcsize("P"), ctypes.sizeof(ctypes.c_long))
print(2 ** 200, -7 // 2, -7 % 3, 0.1 + 0.2, 1e308 * 10, round(2.675, 2), float("1e-320"), (3 + 4j) ** 2, int("123" * 20) % 97)
print(math.factorial(30), math.gcd(2 ** 64, 6 ** 30), math.isqrt(10 ** 40), math.fsum([0.1] * 10), math.sin(1e22), math.gamma(5.5), math.nextafter(1, 2))
print(decimal.Decimal(2).sqrt(decimal.Context(prec=50)), fractions.Fraction(3, 7) + fractions.Fraction(1, 3), math.pi.hex(), float.fromhex("0x1.8p-1074"))
random.seed(42); print([random.randrange(1000) for _ in range(5)], random.gauss(0, 1)); data = bytes(range(256)) * 100
print(hashlib.sha256(data).hexdigest(), hashlib.blake2s(data).hexdigest()[:16], zlib.crc32(data), zlib.adler32(data), len(zlib.compress(data)))
print(json.dumps({"b": [1, 2.5, None, True], "a": "ü"}, sort_keys=True), pickle.loads(pickle.dumps({1: (2, [3])})), re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world"))
print(sorted(collections.Counter("mississippi").items()), list(itertools.permutations("abc", 2))[:3], functools.reduce(lambda a, b: a * b, range(1, 20)))
print(datetime.datetime.fromtimestamp(0, datetime.timezone.utc).isoformat(), struct.pack(">Hid", 1, -2, 3.5).hex(), array.array("d", [1.5, 2.5]).tobytes().hex())
print(subprocess.run(["sh", "-c", "cat; exit 3"], input=b"piped", capture_output=True).returncode, subprocess.check_output("echo $0", shell=True))
caught = []; signal.signal(signal.SIGALRM, lambda *_: caught.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause(); print(caught)
pid = os.fork(); os._exit(7) if pid == 0 else print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
a, b = socket.socketpair(); a.sendall(b"ping"); print(b.recv(10)); s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); c = socket.create_connection(s.getsockname()); d, _ = s.accept(); d.sendall(b"tcp"); print(c.recv(3)); p = select.epoll(); p.register(d, select.EPOLLIN); c.send(b"x"); print(p.poll(5)[0][1])
base = sqlite3.connect(":memory:"); base.execute("create table t (x)"); base.executemany("insert into t values (?)", [(i,) for i in range(100)]); print(base.execute("select sum(x), count(*) from t").fetchone())
libc = ctypes.CDLL(None); libc.strlen.restype = ctypes.c_size_t; print(libc.strlen(b"four"), ctypes.cast(ctypes.create_string_buffer(b"abc"), ctypes.c_char_p).value); callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)); numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2); libc.qsort(numbers, 5, 4, callback(lambda x, y: x[0] - y[0])); print(list(numbers))
with tempfile.TemporaryDirectory() as folder: open(os.path.join(folder, "f"), "w").write("text"); print(os.listdir(folder), os.path.getsize(os.path.join(folder, "f")))
def sieve(n): marks = bytearray([1]) * n; marks[:2] = b"\0\0"; [marks.__setitem__(slice(i * i, n, i), bytes(len(range(i * i, n, i)))) for i in range(2, int(n ** 0.5) + 1) if marks[i]]; return sum(marks)
print(sieve(200000)); class_ = type("C", (), {"__getattr__": lambda self, name: name.upper()}); print(class_().hello); print(sum(i * i for i in range(100000)))
try: os.open("/nonexistent", os.O_RDONLY)
except FileNotFoundError as error: print(error.errno, error.strerror)
X
/usr/bin/python3 t.py
