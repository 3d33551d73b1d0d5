# node: its compilers, worker threads, children, files, HTTP
cat >t.js <<'X'
const fs = require('fs'), os = require('os'), crypto = require('crypto'), zlib = require('zlib'), cp = require('child_process'), wt = require('worker_threads'), net = require('net'), http = require('http');
if (!wt.isMainThread) { let s = 0; for (let i = 0; i < 300000; i++) s = (s * 31 + i) % 1000003; wt.parentPort.postMessage(s + wt.workerData); return; }
(async () => {
  console.log('hello', 1 + 1, 0.1 + 0.2, 2n ** 100n, [3, 1, 2].sort(), 'aÄ'.normalize('NFD').length, new Date(0).toISOString());
  function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } console.log(fib(24));
  let s = 0; for (let i = 1; i < 2000000; i++) s += Math.sin(i) / i; console.log(s);
  console.log(crypto.createHash('sha256').update('abc').digest('hex'), crypto.createHmac('sha512', 'k').update('x').digest('hex').slice(0, 16));
  console.log(zlib.gunzipSync(zlib.gzipSync('text'.repeat(1000))).length, /(\d+)-(?<w>\w+)/.exec('a 12-bc').groups.w);
  const workers = await Promise.all([1, 2, 3, 4].map(k => new Promise((ok, no) => { const w = new wt.Worker(__filename, { workerData: k }); w.on('message', ok); w.on('error', no); }))); console.log(workers);
  console.log(cp.execSync('echo from child').toString().trim(), cp.spawnSync('sh', ['-c', 'exit 3']).status);
  fs.writeFileSync('f', 'file'); console.log(fs.readFileSync('f', 'utf8'), fs.statSync('f').size, (await fs.promises.readdir('.')).includes('f'));
  await new Promise(ok => { const srv = http.createServer((q, r) => r.end('served ' + q.url)).listen(0, '127.0.0.1', () => http.get({ port: srv.address().port, host: '127.0.0.1', path: '/x' }, r => { let d = ''; r.on('data', c => d += c); r.on('end', () => { console.log(d); srv.close(ok); }); })); });
  const shared = new Int32Array(new SharedArrayBuffer(8)); Atomics.add(shared, 0, 5); console.log(Atomics.load(shared, 0), Atomics.wait(shared, 1, 0, 10));
  const bytes = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex'); console.log((await WebAssembly.instantiate(bytes)).instance.exports.add(40, 2));
  let junk = []; for (let i = 0; i < 3000; i++) { junk.push(new Array(1000).fill(i)); if (junk.length > 100) junk.shift(); } console.log(junk.length);
  try { (function f() { f(); })(); } catch (e) { console.log(e instanceof RangeError); }
  setTimeout(() => console.log('timer'), 5); await new Promise(r => setImmediate(r)); process.on('exit', c => console.log('exit', c)); process.exitCode = 7;
})();
X
node t.js; echo "status $?"
