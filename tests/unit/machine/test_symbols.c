/*
 * core/trace/symbols.c: files of symbols, and what is found in them.
 */
#include "../runner.h"

#include <core/trace/symbols.h>
#include <elf.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A file with that content, added; false with the error's text. */
static bool add_file(const void *bytes, size_t length, const char *option, char **text)
{
    g_autofree char *name = NULL, *spec = NULL;
    g_autoptr(GError) error = NULL;
    int fd = g_file_open_tmp("symbols-XXXXXX", &name, NULL);
    bool ok;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    spec = g_strconcat(name, option, NULL);
    ok = pb_symbols_add(spec, &error);
    unlink(name);
    CU_ASSERT_EQUAL(ok, error == NULL);
    *text = error ? g_strdup(error->message) : NULL;
    return ok;
}

static void added(const void *bytes, size_t length, const char *option)
{
    g_autofree char *text = NULL;

    if (!add_file(bytes, length, option, &text))
        printf("%s\n", text);
    CU_ASSERT_PTR_NULL(text);
}

static void refused(const void *bytes, size_t length, const char *option, const char *why)
{
    g_autofree char *text = NULL;

    CU_ASSERT_FALSE(add_file(bytes, length, option, &text));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    if (!strstr(text, why))
        printf("%s\n", text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, why));
    pb_symbols_reset();
}

static void is_named(uint64_t address, const char *wanted)
{
    g_autoptr(GString) text = g_string_new(NULL);

    CU_ASSERT_EQUAL(pb_symbols_name(address, text), *wanted != '\0');
    if (strcmp(text->str, wanted) != 0)
        printf("%" PRIx64 " is %s, not %s\n", address, text->str, wanted);
    CU_ASSERT_STRING_EQUAL(text->str, wanted);
}

static void none(void)
{
    g_autoptr(GString) text = g_string_new("at 0x40080000");

    is_named(0x1000, "");
    pb_symbols_annotate(text, 0);
    CU_ASSERT_STRING_EQUAL(text->str, "at 0x40080000");
}

/* ---- lists --------------------------------------------------------------------------------------------------- */

static const char list[] = "ffff800008000000 T _text\n"
                           "ffff800008010000 t first\n"
                           "ffff800008010010 T second\n"
                           "ffff800008010010 D data_here\n"
                           "ffff800008010040 d data\n"
                           "\n"
                           "ffff800008020000 t module_start\t[ext4]\n";

static void lists(void)
{
    added(list, strlen(list), "");
    is_named(0xffff800007ffffff, "");
    is_named(0xffff800008000000, "_text");
    is_named(0xffff80000801000f, "first+0xf");
    is_named(0xffff800008010010, "second");
    is_named(0xffff80000801003f, "second+0x2f");
    is_named(0xffff800008010040, "");
    is_named(0xffff80000801ffff, "");
    is_named(0xffff800008020004, "module_start+0x4");
    is_named(0xffff800008021000, "");
    is_named(UINT64_MAX, "");
    pb_symbols_reset();
    is_named(0xffff800008000000, "");
}

static void offsets(void)
{
    static const char other[] = "1000 T user\n2000 D end\n";

    added(list, strlen(list), ",offset=0x100000");
    added(other, strlen(other), "");
    is_named(0xffff800008110010, "second");
    is_named(0xffff800008010010, "");
    is_named(0x1004, "user+0x4");
    pb_symbols_reset();
    added(list, strlen(list), ",offset=-0xffff800008000000");
    is_named(0x10010, "second");
    added("10010 T later\n", 14, "");
    is_named(0x10010, "later");
    pb_symbols_reset();
    refused(list, strlen(list), ",offset=much", "the offset 'much' is not a number");
    refused(list, strlen(list), ",offset=", "the offset '' is not a number");
    refused(list, strlen(list), ",offset=0x10y", "the offset '0x10y' is not a number");
}

static void bad_lists(void)
{
    static const char zeros[] = "0000000000000000 T first\n0000000000000000 T second\n";
    static const char wrong[] = "1000 T first\n2000 second\n";
    g_autoptr(GError) error = NULL;

    refused(zeros, strlen(zeros), "", "has no symbols with addresses");
    refused("", 0, "", "has no symbols with addresses");
    refused(wrong, strlen(wrong), "", ":2: neither an ELF file nor a line");
    refused("\177EL", 3, "", ":1: neither an ELF file nor a line");
    CU_ASSERT_FALSE(pb_symbols_add("/nowhere/symbols", &error));
    pb_symbols_reset();
}

static void annotations(void)
{
    static const char low[] = "100 T low\n1000 T high\n2000 D end\n";
    g_autoptr(GString) text =
        g_string_new("0x1004: pc 0x0000000000001004, #0x1000 x+0x1004 0x104 0x3000 0x"
                     "10000000000000000000000 10x1000 0x");

    added(low, strlen(low), "");
    pb_symbols_annotate(text, 1);
    CU_ASSERT_STRING_EQUAL(
        text->str, "0x1004: pc 0x0000000000001004 <high+0x4>, #0x1000 <high> x+0x1004 0x104 "
                   "0x3000 0x10000000000000000000000 10x1000 0x");
    pb_symbols_reset();
}

/* ---- ELF ----------------------------------------------------------------------------------------------------- */

static const char names[] = "\0main\0$x\0label\0table\0outside";

enum { N_MAIN = 1, N_MARK = 6, N_LABEL = 9, N_TABLE = 15, N_OUTSIDE = 21 };

typedef struct narrow_file {
    Elf32_Ehdr head;
    Elf32_Shdr sections[4];
    Elf32_Sym symbols[3];
    char names[sizeof(names)];
} narrow_file;

typedef struct wide_file {
    Elf64_Ehdr head;
    Elf64_Shdr sections[4];
    Elf64_Sym symbols[7];
    char names[sizeof(names)];
} wide_file;

static wide_file make_wide(void)
{
    wide_file f = {
        .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
                  .e_shoff = offsetof(wide_file, sections),
                  .e_shentsize = sizeof(Elf64_Shdr),
                  .e_shnum = 4 },
        .sections = { { 0 },
                      { .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR },
                      { .sh_type = SHT_SYMTAB,
                        .sh_offset = offsetof(wide_file, symbols),
                        .sh_size = sizeof(f.symbols),
                        .sh_entsize = sizeof(Elf64_Sym),
                        .sh_link = 3 },
                      { .sh_type = SHT_STRTAB,
                        .sh_offset = offsetof(wide_file, names),
                        .sh_size = sizeof(names) } },
        .symbols = { { 0 },
                     { N_MAIN, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x401000, 0x20 },
                     { N_MARK, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 0, 1, 0x401008, 0 },
                     { N_LABEL, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 0, 1, 0x401040, 0 },
                     { N_TABLE, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 0, 1, 0x401050, 0x20 },
                     { N_OUTSIDE, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, SHN_UNDEF, 0x5000, 8 },
                     { 1000, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x6000, 8 } },
    };

    memcpy(f.names, names, sizeof(names));
    return f;
}

static void elf_wide(void)
{
    wide_file f = make_wide();

    added(&f, sizeof(f), "");
    is_named(0x401000, "main");
    is_named(0x40100c, "main+0xc");
    is_named(0x401020, "");
    is_named(0x401044, "label+0x4");
    is_named(0x401050, "");
    is_named(0x5000, "");
    is_named(0x6000, "");
    pb_symbols_reset();
}

static void elf_narrow_and_big(void)
{
    narrow_file f = {
        .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2MSB },
                  .e_shoff = GUINT32_TO_BE(offsetof(narrow_file, sections)),
                  .e_shentsize = GUINT16_TO_BE(sizeof(Elf32_Shdr)),
                  .e_shnum = GUINT16_TO_BE(4) },
        .sections = { { 0 },
                      { .sh_type = GUINT32_TO_BE(SHT_PROGBITS),
                        .sh_flags = GUINT32_TO_BE(SHF_ALLOC | SHF_EXECINSTR) },
                      { .sh_type = GUINT32_TO_BE(SHT_DYNSYM),
                        .sh_offset = GUINT32_TO_BE(offsetof(narrow_file, symbols)),
                        .sh_size = GUINT32_TO_BE(sizeof(f.symbols)),
                        .sh_entsize = GUINT32_TO_BE(sizeof(Elf32_Sym)),
                        .sh_link = GUINT32_TO_BE(3) },
                      { .sh_type = GUINT32_TO_BE(SHT_STRTAB),
                        .sh_offset = GUINT32_TO_BE(offsetof(narrow_file, names)),
                        .sh_size = GUINT32_TO_BE(sizeof(names)) } },
        .symbols = { { 0 },
                     { .st_name = GUINT32_TO_BE(N_MAIN),
                       .st_value = GUINT32_TO_BE(0x10001000),
                       .st_size = GUINT32_TO_BE(0x10),
                       .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_FUNC),
                       .st_shndx = GUINT16_TO_BE(1) },
                     { .st_name = GUINT32_TO_BE(N_LABEL),
                       .st_value = GUINT32_TO_BE(0x10001020),
                       .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_NOTYPE),
                       .st_shndx = GUINT16_TO_BE(1) } },
    };

    memcpy(f.names, names, sizeof(names));
    added(&f, sizeof(f), "");
    is_named(0x10001004, "main+0x4");
    is_named(0x10001010, "");
    is_named(0x10001020, "label");
    pb_symbols_reset();
}

/* Of a broken file something, nothing, or an error: never what is not in it. */
static void elf_broken(void)
{
    wide_file f = make_wide();
    uint8_t *bytes = (uint8_t *)&f;

    for (size_t length = SELFMAG; length < sizeof(f); length += 7) {
        g_autofree uint8_t *exact = g_memdup2(&f, length);
        g_autofree char *text = NULL;

        add_file(exact, length, "", &text);
        pb_symbols_reset();
    }
    for (size_t at = SELFMAG; at < offsetof(wide_file, names); at++) {
        g_autofree uint8_t *exact = NULL;
        g_autofree char *text = NULL;

        bytes[at] ^= 0xff;
        exact = g_memdup2(&f, sizeof(f));
        bytes[at] ^= 0xff;
        add_file(exact, sizeof(f), "", &text);
        pb_symbols_reset();
    }
    refused(&f, offsetof(wide_file, sections), "", "the ELF file has no symbols");
}

int main(void)
{
    static const unit_case cases[] = {
        { "none", none },
        { "lists", lists },
        { "offsets", offsets },
        { "bad lists", bad_lists },
        { "annotations", annotations },
        { "ELF, 64 bits", elf_wide },
        { "ELF, 32 bits, big-endian", elf_narrow_and_big },
        { "ELF, broken", elf_broken },
        { 0 },
    };

    return unit_run("symbols", cases);
}
