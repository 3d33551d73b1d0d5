/* What a program finds in /proc about itself. */
#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

/* The text of a file in /proc; it stays until the next. */
static char *text_of(const char *path)
{
    static char text[1 << 20];
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    CHECK(file != NULL && n < sizeof(text) - 1);
    if (file)
        fclose(file);
    text[n] = '\0';
    return text;
}

static void test_stat(void)
{
    char *text = text_of("/proc/self/stat"), *rest = strrchr(text, ')');
    unsigned long field[64] = { 0 }, here = (unsigned long)&text;
    int n = 3;

    CHECK(rest && strncmp(strchr(text, '(') + 1, "views", 5) == 0);
    for (char *word = rest ? strtok(rest + 2, " ") : NULL; word && n < 64; word = strtok(NULL, " "))
        field[n++] = strtoul(word, NULL, 10);
    CHECK(n == 53);
    CHECK(field[4] == (unsigned long)getppid() && field[20] == 1);
    CHECK(field[23] > 8ul << 20 && field[23] < 1ul << 30);
    CHECK(field[26] <= (unsigned long)&test_stat && (unsigned long)&test_stat < field[27]);
    CHECK(field[28] > here && field[28] - here < 1 << 20);
    CHECK(field[47] && field[47] <= (unsigned long)sbrk(0));
}

static void test_comm(void)
{
    CHECK(strncmp(text_of("/proc/self/comm"), "views", 5) == 0);
    CHECK(strstr(text_of("/proc/self/status"), "Name:\tviews"));
    CHECK(strstr(text_of("/proc/self/cmdline"), "views"));
}

/* The pages of a mapping that were written; around it is nothing that it could become one with. */
static void test_smaps(void)
{
    char *whole = mmap(NULL, 7 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at = whole + 4096;
    char head[64], *found;
    long size = 0, dirty = 0;

    CHECK(mprotect(at, 5 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    at[4096] = at[2 * 4096] = 1;
    snprintf(head, sizeof(head), "%08lx-%08lx rwxp ", (unsigned long)at,
             (unsigned long)at + 5 * 4096);
    CHECK(strstr(text_of("/proc/self/maps"), head));
    found = strstr(text_of("/proc/self/smaps"), head);
    CHECK(found && sscanf(strstr(found, "Size:"), "Size: %ld", &size) == 1);
    CHECK(found && sscanf(strstr(found, "Private_Dirty:"), "Private_Dirty: %ld", &dirty) == 1);
    CHECK(size == 20 && dirty == 8);
    CHECK(munmap(whole, 7 * 4096) == 0 && !strstr(text_of("/proc/self/smaps"), head));
}

int main(void)
{
    test_stat();
    test_comm();
    test_smaps();
    return done("views");
}
