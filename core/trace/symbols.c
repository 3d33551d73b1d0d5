/*
 * Guest symbols: see symbols.h. Of ELF files (System V ABI, chapter 4 "Sections", "Symbol Table") both classes and byte
 * orders are read, as guests are of all kinds.
 *
 * Symbols of data are kept without names: they end the code before them.
 */
#include <core/trace/symbols.h>
#include <core/util/file.h>
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#define MAX_FILE_BYTES  (UINT64_C(1) << 31)
#define LEAST_ANNOTATED 4096
#define MOST_OF_LAST    4096 /* bytes behind the last symbol that are its, if nobody says how many */

typedef struct symbol {
    uint64_t address, bytes; /* 0: up to the next one */
    const char *name;        /* null: not code */
    uint32_t order;          /* of those with the same address the greatest counts */
} symbol;

static struct {
    GArray *symbols; /* by address, one for each; null: there are none */
    GPtrArray *texts;
} known;

/* ---- finding ------------------------------------------------------------------------------------------------- */

/* Bytes from the i-th one's address that are its. */
static uint64_t bytes_of(guint i)
{
    const symbol *s = &g_array_index(known.symbols, symbol, i);

    if (s->bytes > 0)
        return s->bytes;
    return i + 1 < known.symbols->len ? s[1].address - s->address : MOST_OF_LAST;
}

static const symbol *find(uint64_t address)
{
    guint low = 0, high = known.symbols->len;
    const symbol *s;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(known.symbols, symbol, middle).address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    s = &g_array_index(known.symbols, symbol, low - 1);
    return s->name && address - s->address < bytes_of(low - 1) ? s : NULL;
}

bool pb_symbols_name(uint64_t address, GString *text)
{
    const symbol *s = known.symbols ? find(address) : NULL;

    if (!s)
        return false;
    g_string_append(text, s->name);
    if (address > s->address)
        g_string_append_printf(text, "+0x%" PRIx64, address - s->address);
    return true;
}

bool pb_symbols_find(const char *name, uint64_t *first, uint64_t *last)
{
    for (guint i = 0; known.symbols && i < known.symbols->len; i++) {
        const symbol *s = &g_array_index(known.symbols, symbol, i);

        if (!s->name || strcmp(s->name, name) != 0)
            continue;
        *first = s->address;
        *last = s->address + bytes_of(i) - 1;
        return true;
    }
    return false;
}

/* Digits behind "0x" at `at`, 0: there is no number. */
static gsize count_digits(const GString *text, gsize at)
{
    gsize n = 0;

    if (text->str[at] != '0' || text->str[at + 1] != 'x' ||
        (at > 0 && (g_ascii_isalnum(text->str[at - 1]) || text->str[at - 1] == '+')))
        return 0;
    while (g_ascii_isxdigit(text->str[at + 2 + n]))
        n++;
    return n;
}

void pb_symbols_annotate(GString *text, gsize from)
{
    if (!known.symbols)
        return;
    for (gsize at = from; at < text->len; at++) {
        gsize digits = count_digits(text, at);
        uint64_t value = digits ? g_ascii_strtoull(text->str + at + 2, NULL, 16) : 0;
        g_autoptr(GString) name = NULL;

        if (digits == 0 || digits > 16)
            continue;
        at += 2 + digits;
        name = g_string_new(" <");
        if (value >= LEAST_ANNOTATED && pb_symbols_name(value, name)) {
            g_string_append_c(name, '>');
            g_string_insert_len(text, (gssize)at, name->str, (gssize)name->len);
            at += name->len;
        }
        at--; /* the loop's step */
    }
}

/* ---- entering ------------------------------------------------------------------------------------------------ */

static void add(uint64_t address, uint64_t bytes, const char *name)
{
    symbol s = { address, bytes, name, known.symbols->len };

    g_array_append_val(known.symbols, s);
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const symbol *x = a, *y = b;

    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* One for each address. A name goes before none: a section's begin may have the address of its first function. */
static void sort(void)
{
    GArray *all = known.symbols;
    guint n = 0;

    g_array_sort(all, by_address);
    for (guint i = 0; i < all->len; i++) {
        const symbol *s = &g_array_index(all, symbol, i);

        if (n > 0 && g_array_index(all, symbol, n - 1).address == s->address) {
            if (!s->name)
                continue;
            n--;
        }
        g_array_index(all, symbol, n++) = *s;
    }
    g_array_set_size(all, n);
    for (guint i = 0; i < n; i++)
        g_array_index(all, symbol, i).order = i;
}

/* ---- lists of names ------------------------------------------------------------------------------------------ */

/* "ffff800008010000 T name", with "\t[module]" behind it; false: the line is not of that form. */
static bool read_line(char *line, uint64_t offset)
{
    char *end, *name;
    uint64_t address = g_ascii_strtoull(line, &end, 16);

    if (end == line || end[0] != ' ' || !g_ascii_isalpha(end[1]) || end[2] != ' ' || !end[3])
        return false;
    name = end + 3;
    name[strcspn(name, "\t ")] = '\0';
    add(address + offset, 0, strchr("tTwW", end[1]) ? name : NULL);
    return true;
}

static bool read_list(const char *file, char *text, uint64_t offset, GError **error)
{
    unsigned number = 1;
    bool any = false;

    for (char *line = text, *next; *line; line = next, number++) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        if (!*line)
            continue;
        if (!read_line(line, offset)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "%s:%u: neither an ELF file nor a line 'address type name' of symbols",
                        file, number);
            return false;
        }
        any = any || g_array_index(known.symbols, symbol, known.symbols->len - 1).address != offset;
    }
    if (!any)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s has no symbols with addresses (kallsyms shows them to root)", file);
    return any;
}

/* ---- ELF ----------------------------------------------------------------------------------------------------- */

typedef struct elf_file {
    const uint8_t *bytes;
    uint64_t length;
    const struct layout *layout;
    bool big;
    uint64_t sections, section_bytes;
    uint32_t n_sections;
} elf_file;

typedef struct elf_section {
    uint64_t flags, offset, bytes, entry_bytes;
    uint32_t type, link;
} elf_section;

/* A number of the file; 0 outside of it. */
static uint64_t number(const elf_file *f, uint64_t at, uint32_t bytes)
{
    uint64_t value = 0;

    if (at > f->length || bytes > f->length - at)
        return 0;
    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)f->bytes[at + i] << 8 * (f->big ? bytes - 1 - i : i);
    return value;
}

/* Where a class has a member. */
typedef struct place {
    uint8_t offset, bytes;
} place;

typedef struct layout {
    place e_shoff, e_shentsize, e_shnum;
    place sh_type, sh_flags, sh_offset, sh_size, sh_link, sh_entsize;
    place st_name, st_info, st_shndx, st_value, st_size;
    uint32_t symbol_bytes;
} layout;

#define PLACE(type, member)                                    \
    {                                                          \
        offsetof(type, member), sizeof(((type *)NULL)->member) \
    }

static const layout narrow = {
    .e_shoff = PLACE(Elf32_Ehdr, e_shoff),
    .e_shentsize = PLACE(Elf32_Ehdr, e_shentsize),
    .e_shnum = PLACE(Elf32_Ehdr, e_shnum),
    .sh_type = PLACE(Elf32_Shdr, sh_type),
    .sh_flags = PLACE(Elf32_Shdr, sh_flags),
    .sh_offset = PLACE(Elf32_Shdr, sh_offset),
    .sh_size = PLACE(Elf32_Shdr, sh_size),
    .sh_link = PLACE(Elf32_Shdr, sh_link),
    .sh_entsize = PLACE(Elf32_Shdr, sh_entsize),
    .st_name = PLACE(Elf32_Sym, st_name),
    .st_info = PLACE(Elf32_Sym, st_info),
    .st_shndx = PLACE(Elf32_Sym, st_shndx),
    .st_value = PLACE(Elf32_Sym, st_value),
    .st_size = PLACE(Elf32_Sym, st_size),
    .symbol_bytes = sizeof(Elf32_Sym),
};

static const layout wide = {
    .e_shoff = PLACE(Elf64_Ehdr, e_shoff),
    .e_shentsize = PLACE(Elf64_Ehdr, e_shentsize),
    .e_shnum = PLACE(Elf64_Ehdr, e_shnum),
    .sh_type = PLACE(Elf64_Shdr, sh_type),
    .sh_flags = PLACE(Elf64_Shdr, sh_flags),
    .sh_offset = PLACE(Elf64_Shdr, sh_offset),
    .sh_size = PLACE(Elf64_Shdr, sh_size),
    .sh_link = PLACE(Elf64_Shdr, sh_link),
    .sh_entsize = PLACE(Elf64_Shdr, sh_entsize),
    .st_name = PLACE(Elf64_Sym, st_name),
    .st_info = PLACE(Elf64_Sym, st_info),
    .st_shndx = PLACE(Elf64_Sym, st_shndx),
    .st_value = PLACE(Elf64_Sym, st_value),
    .st_size = PLACE(Elf64_Sym, st_size),
    .symbol_bytes = sizeof(Elf64_Sym),
};

/* A member of the structure at `at`. */
static uint64_t member(const elf_file *f, uint64_t at, place p)
{
    return number(f, at + p.offset, p.bytes);
}

static elf_section read_section(const elf_file *f, uint32_t i)
{
    uint64_t at = f->sections + i * f->section_bytes;

    return (elf_section){ .flags = member(f, at, f->layout->sh_flags),
                          .offset = member(f, at, f->layout->sh_offset),
                          .bytes = member(f, at, f->layout->sh_size),
                          .entry_bytes = member(f, at, f->layout->sh_entsize),
                          .type = (uint32_t)member(f, at, f->layout->sh_type),
                          .link = (uint32_t)member(f, at, f->layout->sh_link) };
}

static bool lies_in_file(const elf_file *f, const elf_section *s)
{
    return s->offset <= f->length && s->bytes <= f->length - s->offset;
}

/* A name of a table of texts, or null. */
static const char *read_name(const elf_file *f, const elf_section *names, uint64_t at)
{
    const char *name = (const char *)f->bytes + names->offset + at;

    return at < names->bytes && memchr(name, '\0', names->bytes - at) ? name : NULL;
}

/* Code has a name, and is not a mark of an assembler ("$x", ".L1"). */
static bool is_code(const elf_file *f, uint32_t type, uint32_t section, const char *name)
{
    if (!name || !*name || *name == '$' || g_str_has_prefix(name, ".L"))
        return false;
    return type == STT_FUNC || (type == STT_NOTYPE && section > 0 && section < f->n_sections &&
                                read_section(f, section).flags & SHF_EXECINSTR);
}

static void read_symbol(const elf_file *f, uint64_t at, const elf_section *names, uint64_t offset)
{
    uint32_t type = ELF64_ST_TYPE(member(f, at, f->layout->st_info));
    uint32_t section = (uint32_t)member(f, at, f->layout->st_shndx);
    const char *name = read_name(f, names, member(f, at, f->layout->st_name));
    bool code = is_code(f, type, section, name);

    if (section == SHN_UNDEF || (!code && type != STT_OBJECT))
        return;
    add(member(f, at, f->layout->st_value) + offset, member(f, at, f->layout->st_size),
        code ? name : NULL);
}

static bool read_table(const elf_file *f, uint32_t type, uint64_t offset)
{
    uint64_t least = f->layout->symbol_bytes;

    for (uint32_t i = 0; i < f->n_sections; i++) {
        elf_section table = read_section(f, i), names;

        if (table.type != type || table.link >= f->n_sections || table.entry_bytes < least)
            continue;
        names = read_section(f, table.link);
        if (!lies_in_file(f, &table) || !lies_in_file(f, &names))
            continue;
        for (uint64_t at = 0; at + least <= table.bytes; at += table.entry_bytes)
            read_symbol(f, table.offset + at, &names, offset);
        return true;
    }
    return false;
}

static bool read_elf(const char *file, const char *bytes, uint64_t length, uint64_t offset,
                     GError **error)
{
    elf_file f = { .bytes = (const uint8_t *)bytes, .length = length };

    f.layout = length > EI_DATA && bytes[EI_CLASS] == ELFCLASS64 ? &wide : &narrow;
    f.big = length > EI_DATA && bytes[EI_DATA] == ELFDATA2MSB;
    f.sections = member(&f, 0, f.layout->e_shoff);
    f.section_bytes = member(&f, 0, f.layout->e_shentsize);
    f.n_sections = (uint32_t)member(&f, 0, f.layout->e_shnum);
    if (read_table(&f, SHT_SYMTAB, offset) || read_table(&f, SHT_DYNSYM, offset))
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: the ELF file has no symbols", file);
    return false;
}

/* ---- files --------------------------------------------------------------------------------------------------- */

/* "FILE,offset=N": N, and FILE alone. */
static bool split(char *spec, uint64_t *offset, GError **error)
{
    char *option = strrchr(spec, ','), *end;
    bool negative;

    *offset = 0;
    if (!option || !g_str_has_prefix(option, ",offset="))
        return true;
    *option = '\0';
    option += strlen(",offset=");
    negative = *option == '-';
    *offset = g_ascii_strtoull(option + negative, &end, 0);
    if (!g_ascii_isdigit(option[negative]) || *end) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--symbols %s: the offset '%s' is not a number", spec, option);
        return false;
    }
    if (negative)
        *offset = -*offset;
    return true;
}

bool pb_symbols_add(const char *spec, GError **error)
{
    g_autofree char *file = g_strdup(spec);
    uint64_t offset;
    char *bytes;
    gsize length;
    bool ok;

    if (!split(file, &offset, error) || !pb_file_read(file, MAX_FILE_BYTES, &bytes, &length, error))
        return false;
    if (!known.symbols) {
        known.symbols = g_array_new(FALSE, FALSE, sizeof(symbol));
        known.texts = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(known.texts, bytes); /* names are in it */
    ok = length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0
             ? read_elf(file, bytes, length, offset, error)
             : read_list(file, bytes, offset, error);
    sort();
    return ok;
}

void pb_symbols_reset(void)
{
    g_clear_pointer(&known.symbols, g_array_unref);
    g_clear_pointer(&known.texts, g_ptr_array_unref);
}
