/*
 * Program files: ELF, of either word size and byte order. System V ABI, chapters 4 and 5; what is an error is one of
 * Linux's binfmt_elf, or would lead to one.
 */
#include <core/user/internal.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_PHDRS 512
#define MOST_PATH  4096

enum { ET_EXEC = 2, ET_DYN = 3 };
enum { PT_LOAD = 1, PT_INTERP = 3, PT_PHDR = 6, PT_GNU_STACK = 0x6474e551 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };

/* What machines are called: the names of uname(), as far as they have a fixed word size and byte order. */
static const struct {
    uint16_t machine;
    uint8_t class, data; /* EI_CLASS, EI_DATA */
    const char *name;
} machines[] = {
    { 183, 2, 1, "aarch64" }, { 183, 2, 2, "aarch64_be" },  { 40, 1, 1, "arm" },
    { 40, 1, 2, "armeb" },    { 62, 2, 1, "x86_64" },       { 3, 1, 1, "i386" },
    { 20, 1, 2, "ppc" },      { 21, 2, 2, "ppc64" },        { 21, 2, 1, "ppc64le" },
    { 243, 2, 1, "riscv64" }, { 243, 1, 1, "riscv32" },     { 22, 2, 2, "s390x" },
    { 8, 1, 2, "mips" },      { 8, 1, 1, "mipsel" },        { 8, 2, 2, "mips64" },
    { 8, 2, 1, "mips64el" },  { 258, 2, 1, "loongarch64" }, { 43, 2, 2, "sparc64" },
    { 4, 1, 2, "m68k" },
};

/* Where the members of a file's header and of its program headers are, by class: offset, bytes. */
typedef struct member {
    uint8_t offset, bytes;
} member;

enum { E_TYPE, E_MACHINE, E_ENTRY, E_PHOFF, E_PHENTSIZE, E_PHNUM, E_BYTES };
enum { P_TYPE, P_FLAGS, P_OFFSET, P_VADDR, P_FILESZ, P_MEMSZ, P_ALIGN, P_BYTES };

static const member headers[2][E_BYTES + 1] = {
    { { 16, 2 }, { 18, 2 }, { 24, 4 }, { 28, 4 }, { 42, 2 }, { 44, 2 }, { 52, 0 } },
    { { 16, 2 }, { 18, 2 }, { 24, 8 }, { 32, 8 }, { 54, 2 }, { 56, 2 }, { 64, 0 } },
};
static const member phdrs[2][P_BYTES + 1] = {
    { { 0, 4 }, { 24, 4 }, { 4, 4 }, { 8, 4 }, { 16, 4 }, { 20, 4 }, { 28, 4 }, { 32, 0 } },
    { { 0, 4 }, { 4, 4 }, { 8, 8 }, { 16, 8 }, { 32, 8 }, { 40, 8 }, { 48, 8 }, { 56, 0 } },
};

typedef struct segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, filesz, memsz, align;
} segment;

/* A file that is being loaded. */
typedef struct loading {
    pb_user *user;
    const char *name; /* for messages */
    int fd;
    uint64_t file_bytes;
    uint8_t header[64];
    bool wide, big_endian;
    uint32_t type;
    uint64_t entry, phoff;
    uint32_t phentsize, phnum;
    segment *segments;
    uint64_t low, high; /* of what is to be loaded, whole pages */
    GError **error;
} loading;

G_GNUC_PRINTF(2, 3) static bool refuse(const loading *l, const char *format, ...)
{
    va_list args;
    g_autofree char *text = NULL;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(l->error, PB_USER_ERROR, PB_USER_ERROR_CANNOT, "%s: %s", l->name, text);
    return false;
}

static uint64_t number(bool big_endian, const uint8_t *at, uint32_t bytes)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[big_endian ? bytes - 1 - i : i] << (8 * i);
    return value;
}

static uint64_t take(const loading *l, const uint8_t *from, member m)
{
    return number(l->big_endian, from + m.offset, m.bytes);
}

const char *pb_user_machine_name(const uint8_t *header, size_t bytes)
{
    if (bytes < 20 || memcmp(header, "\177ELF", 4) != 0)
        return NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (machines[i].class == header[4] && machines[i].data == header[5] &&
            machines[i].machine == number(header[5] == 2, header + 18, 2))
            return machines[i].name;
    }
    return NULL;
}

static void put_half(uint8_t *to, bool big_endian, uint16_t value)
{
    to[big_endian] = (uint8_t)value;
    to[!big_endian] = (uint8_t)(value >> 8);
}

/* e_ident without the ABI, which matters to nobody here, e_type, e_machine. */
bool pb_user_magic(const char *architecture, uint8_t magic[PB_USER_MAGIC],
                   uint8_t mask[PB_USER_MAGIC])
{
    for (unsigned i = 0; i < G_N_ELEMENTS(machines); i++) {
        const uint8_t start[16] = { 0x7f, 'E', 'L', 'F', machines[i].class, machines[i].data, 1 };
        bool big_endian = machines[i].data == 2;

        if (strcmp(machines[i].name, architecture) != 0)
            continue;
        memcpy(magic, start, sizeof(start));
        put_half(magic + 16, big_endian, ET_EXEC);
        put_half(magic + 18, big_endian, machines[i].machine);
        memset(mask, 0xff, PB_USER_MAGIC);
        mask[7] = mask[8] = 0;
        put_half(mask + 16, big_endian, (uint16_t) ~(ET_EXEC ^ ET_DYN));
        return true;
    }
    return false;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool read_at(const loading *l, void *to, uint64_t bytes, uint64_t offset)
{
    return offset <= l->file_bytes && bytes <= l->file_bytes - offset &&
           pread(l->fd, to, bytes, (off_t)offset) == (ssize_t)bytes;
}

static bool read_header(loading *l)
{
    const pb_user_arch *arch = l->user->arch;
    const member *m;
    const char *name;

    if (!read_at(l, l->header, headers[0][E_BYTES].offset, 0) ||
        memcmp(l->header, "\177ELF", 4) != 0)
        return refuse(l, "it is no ELF file");
    if (l->header[4] < 1 || l->header[4] > 2 || l->header[5] < 1 || l->header[5] > 2)
        return refuse(l, "the ELF header is damaged: class %u, byte order %u", l->header[4],
                      l->header[5]);
    l->wide = l->header[4] == 2;
    l->big_endian = l->header[5] == 2;
    m = headers[l->wide];
    if (l->wide && !read_at(l, l->header, m[E_BYTES].offset, 0))
        return refuse(l, "the ELF header is cut off");
    name = pb_user_machine_name(l->header, sizeof(l->header));
    if (take(l, l->header, m[E_MACHINE]) != arch->elf_machine ||
        l->wide != (arch->word_bytes == 8) || l->big_endian != arch->big_endian)
        return refuse(l, "it is for %s, not for %s", name ? name : "an unknown processor",
                      arch->name);
    l->type = (uint32_t)take(l, l->header, m[E_TYPE]);
    l->entry = take(l, l->header, m[E_ENTRY]);
    l->phoff = take(l, l->header, m[E_PHOFF]);
    l->phentsize = (uint32_t)take(l, l->header, m[E_PHENTSIZE]);
    l->phnum = (uint32_t)take(l, l->header, m[E_PHNUM]);
    if (l->type != ET_EXEC && l->type != ET_DYN)
        return refuse(l, "it is no program: its ELF type is %u", l->type);
    if (l->phentsize != phdrs[l->wide][P_BYTES].offset || l->phnum == 0 || l->phnum > MOST_PHDRS)
        return refuse(l, "the ELF header is damaged: %u program headers of %u bytes", l->phnum,
                      l->phentsize);
    return true;
}

static bool read_segments(loading *l)
{
    uint32_t bytes = l->phnum * l->phentsize;
    g_autofree uint8_t *table = g_malloc(bytes);
    const member *m = phdrs[l->wide];

    if (!read_at(l, table, bytes, l->phoff))
        return refuse(l, "the program headers are cut off");
    l->segments = g_new0(segment, l->phnum);
    for (uint32_t i = 0; i < l->phnum; i++) {
        const uint8_t *at = table + (size_t)i * l->phentsize;

        l->segments[i] = (segment){ .type = (uint32_t)take(l, at, m[P_TYPE]),
                                    .flags = (uint32_t)take(l, at, m[P_FLAGS]),
                                    .offset = take(l, at, m[P_OFFSET]),
                                    .vaddr = take(l, at, m[P_VADDR]),
                                    .filesz = take(l, at, m[P_FILESZ]),
                                    .memsz = take(l, at, m[P_MEMSZ]),
                                    .align = take(l, at, m[P_ALIGN]) };
    }
    return true;
}

/* ---- checking ------------------------------------------------------------------------------------------ */

static uint64_t page_down(uint64_t address)
{
    return address & ~PB_PAGE_MASK;
}

static uint64_t page_up(uint64_t address)
{
    return (address + PB_PAGE_MASK) & ~PB_PAGE_MASK;
}

static bool check_segment(loading *l, uint32_t i)
{
    const segment *s = &l->segments[i];
    uint64_t most = pb_user_space_bytes(l->user->space);

    if (s->filesz > s->memsz)
        return refuse(l, "segment %u has more bytes in the file than in memory", i);
    if (s->memsz > most || s->vaddr > most - s->memsz)
        return refuse(l, "segment %u does not fit into %u bits of address", i,
                      (unsigned)g_bit_storage(most - 1));
    if ((s->vaddr ^ s->offset) & PB_PAGE_MASK)
        return refuse(l, "segment %u has different places in file and memory pages", i);
    if (s->offset > l->file_bytes || s->filesz > l->file_bytes - s->offset)
        return refuse(l, "segment %u is cut off: the file has %" G_GUINT64_FORMAT " bytes", i,
                      l->file_bytes);
    if (l->type == ET_EXEC && s->vaddr < PB_USER_LOWEST)
        return refuse(l, "segment %u is at 0x%" G_GINT64_MODIFIER "x, below 0x%x", i, s->vaddr,
                      (unsigned)PB_USER_LOWEST);
    if (page_down(s->vaddr) < l->high && s->memsz)
        return refuse(l, "segment %u overlaps another, or they are not in order", i);
    if (s->memsz) {
        l->low = MIN(l->low, page_down(s->vaddr));
        l->high = page_up(s->vaddr + s->memsz);
    }
    return true;
}

static bool check_segments(loading *l)
{
    l->low = UINT64_MAX;
    for (uint32_t i = 0; i < l->phnum; i++) {
        if (l->segments[i].type == PT_LOAD && !check_segment(l, i))
            return false;
    }
    return l->high > 0 || refuse(l, "it has nothing to load");
}

static bool read_interpreter(loading *l, const segment *s, pb_user_image *image)
{
    if (image->interpreter)
        return refuse(l, "it names two interpreters");
    if (s->filesz < 2 || s->filesz > MOST_PATH)
        return refuse(l, "the name of its interpreter has %" G_GUINT64_FORMAT " bytes", s->filesz);
    image->interpreter = g_malloc(s->filesz);
    if (!read_at(l, image->interpreter, s->filesz, s->offset) ||
        image->interpreter[s->filesz - 1] != '\0')
        return refuse(l, "the name of its interpreter is damaged");
    return true;
}

/* ---- mapping ------------------------------------------------------------------------------------------- */

static bool cannot_map(const loading *l, int64_t error)
{
    return refuse(l, "it cannot be mapped: %s", g_strerror((int)-error));
}

/* Where a file goes that may be anywhere: programs in the middle, so that their heap can grow; others as mmap() likes. */
static bool find_place(loading *l, bool is_interpreter, pb_user_image *image)
{
    uint64_t hint = is_interpreter ? 0 : page_down(pb_user_space_bytes(l->user->space) / 3 * 2);
    int64_t at;

    if (l->type == ET_EXEC)
        return true;
    at = pb_user_space_map(l->user->space, hint, l->high - l->low, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0)
        return cannot_map(l, at);
    image->bias = (uint64_t)at - l->low;
    return true;
}

static int prot_of(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
           (flags & PF_X ? PROT_EXEC : 0);
}

static bool map_segment(const loading *l, const segment *s, uint64_t bias)
{
    static const uint8_t zeros[PB_PAGE_SIZE];
    pb_user_space *space = l->user->space;
    uint64_t start = s->vaddr + bias, first = page_down(start), file_end = start + s->filesz;
    uint64_t end = page_up(start + s->memsz), middle = s->filesz ? page_up(file_end) : first;
    int64_t result = 0;

    if (middle > first)
        result = pb_user_space_map(space, first, middle - first, prot_of(s->flags),
                                   MAP_PRIVATE | MAP_FIXED, l->fd, page_down(s->offset));
    if (result >= 0 && end > middle)
        result = pb_user_space_map(space, middle, end - middle, prot_of(s->flags),
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (result < 0)
        return cannot_map(l, result);
    /* The file goes on in the last page; the program's memory does not. */
    if (s->memsz > s->filesz && middle > file_end && (s->flags & PF_W))
        pb_user_space_write(space, file_end, zeros, middle - file_end);
    return true;
}

/* Where the program headers are in memory; 0: in no segment. */
static uint64_t find_phdrs(const loading *l, uint64_t bias)
{
    for (uint32_t i = 0; i < l->phnum; i++) {
        const segment *s = &l->segments[i];

        if (s->type == PT_PHDR)
            return s->vaddr + bias;
    }
    for (uint32_t i = 0; i < l->phnum; i++) {
        const segment *s = &l->segments[i];

        if (s->type == PT_LOAD && l->phoff >= s->offset && l->phoff - s->offset < s->filesz)
            return s->vaddr + (l->phoff - s->offset) + bias;
    }
    return 0;
}

static bool load(loading *l, bool is_interpreter, pb_user_image *image)
{
    if (!read_header(l) || !read_segments(l) || !check_segments(l))
        return false;
    for (uint32_t i = 0; i < l->phnum; i++) {
        const segment *s = &l->segments[i];

        if (s->type == PT_INTERP && !is_interpreter && !read_interpreter(l, s, image))
            return false;
        if (s->type == PT_GNU_STACK)
            image->executable_stack = (s->flags & PF_X) != 0;
    }
    if (!find_place(l, is_interpreter, image))
        return false;
    for (uint32_t i = 0; i < l->phnum; i++) {
        if (l->segments[i].type == PT_LOAD && !map_segment(l, &l->segments[i], image->bias))
            return false;
    }
    image->entry = l->entry + image->bias;
    image->end = l->high + image->bias;
    image->phdrs = find_phdrs(l, image->bias);
    image->n_phdrs = l->phnum;
    image->phdr_bytes = l->phentsize;
    return true;
}

bool pb_user_image_load(pb_user *user, const char *path, const char *name, bool is_interpreter,
                        pb_user_image *image, GError **error)
{
    loading l = { .user = user, .name = name, .error = error };
    struct stat info;
    bool ok;

    *image = (pb_user_image){ 0 };
    l.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l.fd < 0 || fstat(l.fd, &info) < 0) {
        int code = errno;

        g_set_error(error, PB_USER_ERROR,
                    code == ENOENT || code == ENOTDIR ? PB_USER_ERROR_MISSING
                                                      : PB_USER_ERROR_CANNOT,
                    "%s: %s", name, g_strerror(code));
        if (l.fd >= 0)
            close(l.fd);
        return false;
    }
    l.file_bytes = (uint64_t)info.st_size;
    if (!S_ISREG(info.st_mode))
        ok = refuse(&l, "it is no regular file");
    else
        ok = load(&l, is_interpreter, image);
    close(l.fd);
    g_free(l.segments);
    if (!ok)
        g_clear_pointer(&image->interpreter, g_free);
    return ok;
}
