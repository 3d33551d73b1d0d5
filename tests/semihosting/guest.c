/*
 * Semihosting from the guest's side, on bare metal or as a program: no C library. The first word of the command line says what is
 * done. The exit status is the line of the first check that failed, or what the test gives.
 */
typedef unsigned long word;

enum {
    OPEN = 1,
    CLOSE,
    WRITEC,
    WRITE0,
    WRITE,
    READ,
    READC,
    ISERROR,
    ISTTY,
    SEEK,
    FLEN = 12,
    TMPNAM,
    REMOVE,
    RENAME,
    CLOCK,
    TIME,
    SYSTEM,
    ERRNO,
    GET_CMDLINE = 0x15,
    HEAPINFO,
    EXIT = 0x18,
    EXIT_EXTENDED = 0x20,
    ELAPSED = 0x30,
    TICKFREQ
};
#define FAILED (~0ul)

static char stack[16384] __attribute__((aligned(16), used));

__asm__(".globl _start\n"
        "_start: adrp x0, stack\n"
        "add x0, x0, :lo12:stack\n"
        "add sp, x0, #16384\n"
        "bl begin\n");

static word call(word operation, word argument)
{
    register word x0 __asm__("x0") = operation | 0xabcd00000000; /* W0 is what counts */
    register word x1 __asm__("x1") = argument;

    __asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
    return x0;
}

static word calls(word operation, word a, word b, word c, word d)
{
    const word block[] = { a, b, c, d };

    return call(operation, (word)block);
}

static word length(const char *text)
{
    word n = 0;

    while (text[n])
        n++;
    return n;
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void leave(word status)
{
    calls(EXIT, 0x20026, status, 0, 0);
    for (;;)
        call(WRITEC, (word) "!");
}

static word open(const char *name, word mode)
{
    return calls(OPEN, (word)name, mode, length(name), 0);
}

#define CHECK(condition)                                     \
    do {                                                     \
        if (!(condition)) {                                  \
            call(WRITE0, (word) "failed: " #condition "\n"); \
            leave(__LINE__ & 255 ? __LINE__ & 255 : 1);      \
        }                                                    \
    } while (0)

static char buffer[70000];

static void files(void)
{
    word file = open("file", 5), other; /* wb */

    CHECK(file != FAILED && file != 0);
    CHECK(calls(ISTTY, file, 0, 0, 0) == 0);
    CHECK(calls(WRITE, file, (word) "hello world", 11, 0) == 0);
    CHECK(calls(FLEN, file, 0, 0, 0) == 11);
    CHECK(calls(READ, file, (word)buffer, 5, 0) == 5); /* it is for writing */
    CHECK(calls(CLOSE, file, 0, 0, 0) == 0);
    CHECK(calls(CLOSE, file, 0, 0, 0) == FAILED);
    CHECK(call(ERRNO, 0) == 9);
    file = open("/file", 0);
    CHECK(calls(SEEK, file, 6, 0, 0) == 0);
    CHECK(calls(READ, file, (word)buffer, 100, 0) == 95);
    buffer[5] = 0;
    CHECK(same(buffer, "world"));
    CHECK(calls(READ, file, (word)buffer, 100, 0) == 100);
    CHECK(calls(SEEK, file, FAILED, 0, 0) == FAILED);
    calls(CLOSE, file, 0, 0, 0);
    file = open("file", 8); /* a */
    CHECK(calls(WRITE, file, (word) "!", 1, 0) == 0);
    CHECK(calls(FLEN, file, 0, 0, 0) == 12);
    calls(CLOSE, file, 0, 0, 0);
    for (word i = 0; i < sizeof(buffer); i++)
        buffer[i] = (char)(i * 7);
    file = open("large", 7); /* w+b */
    CHECK(calls(WRITE, file, (word)buffer, sizeof(buffer), 0) == 0);
    CHECK(calls(SEEK, file, 0, 0, 0) == 0);
    buffer[66000] = 0;
    CHECK(calls(READ, file, (word)buffer, sizeof(buffer), 0) == 0);
    CHECK(buffer[66000] == (char)(66000 * 7));
    calls(CLOSE, file, 0, 0, 0);
    CHECK(calls(RENAME, (word) "file", 4, (word) "folder/new", 10) == 0);
    CHECK(open("file", 0) == FAILED);
    CHECK(call(ERRNO, 0) == 2);
    CHECK(calls(REMOVE, (word) "folder/new", 10, 0, 0) == 0);
    CHECK(calls(REMOVE, (word) "folder/new", 10, 0, 0) != 0);
    CHECK(calls(TMPNAM, (word)buffer, 5, 100, 0) == 0);
    CHECK(same(buffer, "tmp005"));
    CHECK(calls(TMPNAM, (word)buffer, 5, 3, 0) == FAILED);
    CHECK(open("file", 12) == FAILED);
    file = open("large", 0);
    for (word i = 0; (other = open("large", 0)) != FAILED; i++)
        CHECK(i < 1000);
    CHECK(call(ERRNO, 0) == 24);
}

/* Names that lead elsewhere: the test made links, a pipe, and a file "secret" outside. */
static void outside(void)
{
    static const char *const names[] = { "../secret",  "/../secret", "folder/../../secret",
                                         "absolute",   "relative",   "up/secret",
                                         "pipe",       "folder",     ".",
                                         "",           "..",         "/proc/self/environ",
                                         "/etc/passwd" };

    for (word i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (word mode = 0; mode < 4; mode++)
            CHECK(open(names[i], mode) == FAILED);
        CHECK(calls(REMOVE, (word) "large", 5, 0, 0) != 0);
    }
    CHECK(calls(REMOVE, (word) "../secret", 9, 0, 0) != 0);
    CHECK(calls(REMOVE, (word) "up/secret", 9, 0, 0) != 0);
    CHECK(calls(REMOVE, (word) "folder/..", 9, 0, 0) != 0);
    CHECK(calls(RENAME, (word) "mine", 4, (word) "../mine", 7) ==
          0); /* ".." of the root is the root */
    CHECK(calls(RENAME, (word) "mine", 4, (word) "up/mine", 7) != 0);
    CHECK(calls(RENAME, (word) "../secret", 9, (word) "here", 4) != 0);
    CHECK(open("../mine", 0) != FAILED);
    CHECK(open("written", 4) != FAILED);
}

static void none(void)
{
    CHECK(open("file", 0) == FAILED);
    CHECK(call(ERRNO, 0) == 13);
    CHECK(open("file", 4) == FAILED);
    CHECK(calls(REMOVE, (word) "mine", 4, 0, 0) != 0);
}

static void console(void)
{
    word in = open(":tt", 0), out = open(":tt", 4), error = open(":tt", 8), read;

    CHECK(calls(ISTTY, in, 0, 0, 0) == 1);
    CHECK(calls(WRITE, out, (word) "to the output\n", 14, 0) == 0);
    CHECK(calls(WRITE, error, (word) "to the errors\n", 14, 0) == 0);
    CHECK(call(READC, 0) == 'a');
    read = 100 - calls(READ, in, (word)buffer, 100, 0);
    CHECK(read == 4);
    CHECK(calls(WRITE, out, (word)buffer, read, 0) == 0);
    CHECK(calls(READ, in, (word)buffer, 100, 0) == 100);
    CHECK(call(READC, 0) == FAILED);
}

static void features(void)
{
    word file = open(":semihosting-features", 0);

    CHECK(file != FAILED);
    CHECK(calls(FLEN, file, 0, 0, 0) == 5);
    CHECK(calls(READ, file, (word)buffer, 5, 0) == 0);
    CHECK(buffer[0] == 'S' && buffer[1] == 'H' && buffer[2] == 'F' && buffer[3] == 'B' &&
          buffer[4] == 3);
    CHECK(calls(SEEK, file, 4, 0, 0) == 0);
    CHECK(calls(READ, file, (word)buffer, 5, 0) == 4 && buffer[0] == 3);
    CHECK(open(":semihosting-features", 4) == FAILED);
}

static void others(void)
{
    volatile word before, after, heap[4] = { 1, 1, 1, 1 };
    volatile word *at = heap;
    word clock = call(CLOCK, 0);

    CHECK(call(TICKFREQ, 0) == 1000000000);
    CHECK(call(ELAPSED, (word)&before) == 0);
    for (volatile int i = 0; i < 1000; i++)
        ;
    CHECK(call(ELAPSED, (word)&after) == 0);
    CHECK(after >= before);
    CHECK(call(CLOCK, 0) >= clock);
    CHECK(call(TIME, 0) > 1600000000);
    CHECK(call(HEAPINFO, (word)&at) == 0 && !heap[0] && !heap[1] && !heap[2] && !heap[3]);
    CHECK(calls(ISERROR, FAILED, 0, 0, 0) && !calls(ISERROR, 5, 0, 0, 0));
    CHECK(calls(SYSTEM, (word) "true", 4, 0, 0) == FAILED);
    CHECK(call(0x77, 0) == FAILED);
}

/* Whatever a block says, and wherever it is. */
static void wrong(void)
{
    word file = open("mine", 0);
    word seed = 1;

    CHECK(file != FAILED);
    for (word operation = 0; operation < 64; operation++) {
        if (operation == EXIT || operation == EXIT_EXTENDED || operation == READC ||
            operation == WRITEC || operation == WRITE0)
            continue;
        for (word i = 0; i < 40; i++) {
            word block[4];

            for (word k = 0; k < 4; k++) {
                seed = seed * 6364136223846793005ul + 1442695040888963407ul;
                block[k] = i & 1 ? seed : seed >> 60;
            }
            if (operation == READ && block[0] < 70)
                block[0] += 100;
            call(operation, i & 2 ? (word)block : seed >> 2);
        }
    }
    CHECK(calls(OPEN, 0xdead000000000000, 0, 4, 0) == FAILED);
    CHECK(calls(OPEN, (word) "x", 0, FAILED, 0) == FAILED);
    CHECK(calls(READ, file, 0xdead000000000000, 4, 0) == 4);
    CHECK(call(ERRNO, 0) == 14);
    CHECK(calls(WRITE, file, (word)buffer, FAILED, 0) != 0);
}

/* In user mode: files are not among the program's own descriptors. */
static void descriptors(void)
{
    word file = open("mine", 0);

    CHECK(file != FAILED);
    for (int fd = 3; fd < 1024; fd++) {
        register word x0 __asm__("x0") = (word)fd;
        register word x8 __asm__("x8") = 57; /* close */

        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
    }
    CHECK(calls(READ, file, (word)buffer, 4, 0) == 0 && buffer[0] == 't');
    CHECK(calls(CLOSE, file, 0, 0, 0) == 0);
}

/* Until it gets input, or is ended. */
static void waits(void)
{
    call(WRITE0, (word) "waiting\n");
    call(READC, 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = { { "files", files },     { "outside", outside },   { "none", none },
              { "console", console }, { "features", features }, { "others", others },
              { "wrong", wrong },     { "waits", waits },       { "descriptors", descriptors } };

__attribute__((used)) static void begin(void)
{
    static char line[200], *at = line;
    word block[2] = { (word)line, 4 };

    CHECK(call(GET_CMDLINE, (word)block) == FAILED);
    block[1] = sizeof(line);
    CHECK(call(GET_CMDLINE, (word)block) == 0);
    CHECK(block[1] == length(line));
    call(WRITE0, (word)line);
    call(WRITE0, (word) "\n");
    while (*at && *at != ' ')
        at++;
    at += *at == ' '; /* the program's name was before it */
    for (word i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (same(at, tests[i].name))
            tests[i].run();
    }
    if (same(at, "status"))
        calls(EXIT_EXTENDED, 0x20026, 77, 0, 0);
    if (same(at, "error"))
        calls(EXIT, 0x20023, 0, 0, 0);
    if (same(at, "fault"))
        call(EXIT, 0xdead000000000000);
    call(WRITE0, (word) "good\n");
    leave(0);
}
