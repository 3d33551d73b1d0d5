/*
 * The vdso: a page of code that the kernel puts into each program, as a shared library that is not in a file. The C library
 * finds it by AT_SYSINFO_EHDR and calls its functions instead of system calls; signal handlers return to it; debuggers and unwinders know
 * both by its symbols.
 *
 * Its code is the architecture's (pb_user_vdso) and makes the system calls, which leave the emulated processor anyway. The image is
 * made here, once for each program: what a dynamic linker asks for (symbols, a hash table, versions), what debuggers do (sections), and
 * what is needed to unwind from its functions, which have no frame. Code that handlers return to has no such information: unwinders know it by
 * its instructions.
 *
 * Sources: System V ABI, chapters 4 and 5; Linux Standard Base, "Symbol Versioning" and "Exception Frames"; vdso(7).
 *
 * Left out: architectures other than little-endian ones of 64 bits.
 */
#include <core/user/internal.h>

#include <elf.h>
#include <sys/mman.h>

#define SONAME       "linux-vdso.so.1"
#define MOST_SYMBOLS 8

/* In the order in which they lie in the image. */
enum {
    NO_SECTION,
    HASH,
    DYNSYM,
    DYNSTR,
    VERSYM,
    VERDEF,
    DYNAMIC,
    EH_FRAME_HDR,
    EH_FRAME,
    TEXT,
    SHSTRTAB,
    SECTIONS
};
enum { VERSION_BASE = 1, VERSION_OURS };

static const Elf64_Shdr sections[SECTIONS] = {
    [HASH] = { .sh_type = SHT_HASH, .sh_link = DYNSYM, .sh_addralign = 8, .sh_entsize = 4 },
    [DYNSYM] = { .sh_type = SHT_DYNSYM,
                 .sh_link = DYNSTR,
                 .sh_info = 1,
                 .sh_addralign = 8,
                 .sh_entsize = sizeof(Elf64_Sym) },
    [DYNSTR] = { .sh_type = SHT_STRTAB, .sh_addralign = 1 },
    [VERSYM] = { .sh_type = SHT_GNU_versym, .sh_link = DYNSYM, .sh_addralign = 2, .sh_entsize = 2 },
    [VERDEF] = { .sh_type = SHT_GNU_verdef, .sh_link = DYNSTR, .sh_info = 2, .sh_addralign = 8 },
    [DYNAMIC] = { .sh_type = SHT_DYNAMIC,
                  .sh_link = DYNSTR,
                  .sh_addralign = 8,
                  .sh_entsize = sizeof(Elf64_Dyn) },
    [EH_FRAME_HDR] = { .sh_type = SHT_PROGBITS, .sh_addralign = 4 },
    [EH_FRAME] = { .sh_type = SHT_PROGBITS, .sh_addralign = 8 },
    [TEXT] = { .sh_type = SHT_PROGBITS, .sh_flags = SHF_EXECINSTR, .sh_addralign = 16 },
    [SHSTRTAB] = { .sh_type = SHT_STRTAB, .sh_addralign = 1 },
};
static const char *const section_names[SECTIONS] = {
    "",         ".hash",         ".dynsym",   ".dynstr", ".gnu.version", ".gnu.version_d",
    ".dynamic", ".eh_frame_hdr", ".eh_frame", ".text",   ".shstrtab",
};

typedef struct image {
    const pb_user_vdso *vdso;
    uint8_t *bytes; /* a page */
    uint64_t end;
    Elf64_Shdr sections[SECTIONS];
} image;

/* Room at the end of the image, aligned; it has room for all that there is by the assertions of who adds it. */
static void *add(image *m, uint64_t align, uint64_t bytes)
{
    uint8_t *at;

    m->end = (m->end + align - 1) & ~(align - 1);
    g_assert(m->end + bytes <= PB_PAGE_SIZE);
    at = m->bytes + m->end;
    m->end += bytes;
    return at;
}

static void *add_section(image *m, unsigned which, uint64_t bytes)
{
    Elf64_Shdr *s = &m->sections[which];
    void *at = add(m, sections[which].sh_addralign, bytes);

    *s = sections[which];
    s->sh_size = bytes;
    s->sh_offset = s->sh_addr = m->end - bytes;
    s->sh_flags |= SHF_ALLOC;
    return at;
}

/* A text of a table that was added last; where it is in it. */
static uint32_t add_text(image *m, unsigned table, const char *text)
{
    Elf64_Shdr *s = &m->sections[table];
    uint64_t bytes = strlen(text) + 1;

    memcpy(add(m, 1, bytes), text, bytes);
    s->sh_size += bytes;
    return (uint32_t)(s->sh_size - bytes);
}

static uint32_t hash_of(const char *name)
{
    uint32_t h = 0;

    for (; *name; name++) {
        h = (h << 4) + (uint8_t)*name;
        h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
    }
    return h;
}

/* One chain of all symbols: they are few. */
static void add_hash(image *m, uint32_t symbols)
{
    uint32_t *hash = add_section(m, HASH, (2 + 1 + symbols) * sizeof(*hash));

    hash[0] = 1;
    hash[1] = symbols;
    hash[2] = 1;
    for (uint32_t i = 1; i + 1 < symbols; i++)
        hash[3 + i] = i + 1;
}

static void add_version(image *m, Elf64_Verdef *def, uint16_t number, const char *name,
                        uint32_t text)
{
    Elf64_Verdaux *aux = (Elf64_Verdaux *)(void *)(def + 1);

    *def = (Elf64_Verdef){ .vd_version = VER_DEF_CURRENT,
                           .vd_flags = number == VERSION_BASE ? VER_FLG_BASE : 0,
                           .vd_ndx = number,
                           .vd_cnt = 1,
                           .vd_hash = hash_of(name),
                           .vd_aux = sizeof(*def),
                           .vd_next = number == VERSION_BASE ? sizeof(*def) + sizeof(*aux) : 0 };
    aux->vda_name = text;
}

/* Symbols, and what finds them by name and version. The numbers of the two names that others refer to. */
static void add_symbols(image *m, uint32_t *soname)
{
    const pb_user_vdso *vdso = m->vdso;
    uint32_t symbols = vdso->n_functions + 1, version;
    const uint64_t def_bytes = sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux);
    Elf64_Sym *symbol;
    uint16_t *versions;
    uint8_t *defs;

    g_assert(symbols <= MOST_SYMBOLS);
    add_hash(m, symbols);
    symbol = add_section(m, DYNSYM, symbols * sizeof(*symbol));
    add_section(m, DYNSTR, 0);
    add_text(m, DYNSTR, "");
    for (uint32_t i = 1; i < symbols; i++) {
        symbol[i].st_name = add_text(m, DYNSTR, vdso->functions[i - 1].name);
        symbol[i].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
        symbol[i].st_shndx = TEXT;
        symbol[i].st_size = vdso->functions[i - 1].bytes;
    }
    *soname = add_text(m, DYNSTR, SONAME);
    version = add_text(m, DYNSTR, vdso->version);
    versions = add_section(m, VERSYM, symbols * sizeof(*versions));
    for (uint32_t i = 1; i < symbols; i++)
        versions[i] = VERSION_OURS;
    defs = add_section(m, VERDEF, 2 * def_bytes);
    add_version(m, (Elf64_Verdef *)(void *)defs, VERSION_BASE, SONAME, *soname);
    add_version(m, (Elf64_Verdef *)(void *)(defs + def_bytes), VERSION_OURS, vdso->version,
                version);
}

static void add_dynamic(image *m, uint32_t soname)
{
    const Elf64_Dyn entries[] = {
        { DT_SONAME, { soname } },
        { DT_HASH, { m->sections[HASH].sh_addr } },
        { DT_STRTAB, { m->sections[DYNSTR].sh_addr } },
        { DT_SYMTAB, { m->sections[DYNSYM].sh_addr } },
        { DT_STRSZ, { m->sections[DYNSTR].sh_size } },
        { DT_SYMENT, { sizeof(Elf64_Sym) } },
        { DT_VERSYM, { m->sections[VERSYM].sh_addr } },
        { DT_VERDEF, { m->sections[VERDEF].sh_addr } },
        { DT_VERDEFNUM, { 2 } },
        { DT_NULL, { 0 } },
    };

    memcpy(add_section(m, DYNAMIC, sizeof(entries)), entries, sizeof(entries));
}

/* ---- unwinding -------------------------------------------------------------------------------------------------- */

enum {
    DW_PCREL_SDATA4 = 0x1b,
    DW_OMIT = 0xff,
    DW_CFA_DEF_CFA = 0x0c,
};

/* How a function without a frame is left: the stack pointer is its caller's, the return address is in its register. */
typedef struct frames {
    uint32_t cie_bytes, cie_id;
    uint8_t version;
    char augmentation[3];
    uint8_t code_align, data_align, return_register, augmentation_bytes, pointers;
    uint8_t def_cfa, cfa_register, cfa_offset;
    uint32_t fde_bytes, fde_cie;
    int32_t first;
    uint32_t bytes;
    uint8_t fde_augmentation, pad[3];
    uint32_t end;
} frames;

_Static_assert(offsetof(frames, fde_bytes) == 20 && sizeof(frames) == 44, "without holes");

typedef struct frames_head {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
} frames_head;

static void add_frames(image *m, frames_head **head, frames **frame)
{
    *head = add_section(m, EH_FRAME_HDR, sizeof(**head));
    *frame = add_section(m, EH_FRAME, sizeof(**frame));
}

/* Where functions end, but for the code that handlers return to: what is before that belongs to it for unwinders. */
static uint32_t end_of_functions(const pb_user_vdso *vdso)
{
    uint32_t end = 0;

    for (uint32_t i = 0; i < vdso->n_functions; i++) {
        const pb_user_vdso_function *f = &vdso->functions[i];

        if (f->offset < vdso->sigreturn)
            end = MAX(end, (uint32_t)f->offset + f->bytes);
    }
    return end;
}

static void fill_frames(const image *m, frames_head *head, frames *f)
{
    uint64_t at = m->sections[EH_FRAME].sh_addr;

    *head = (frames_head){ .version = 1,
                           .frame_encoding = DW_PCREL_SDATA4,
                           .count_encoding = DW_OMIT,
                           .table_encoding = DW_OMIT,
                           .frame = (int32_t)(at - m->sections[EH_FRAME_HDR].sh_addr -
                                              offsetof(frames_head, frame)) };
    *f = (frames){ .cie_bytes = offsetof(frames, fde_bytes) - sizeof(uint32_t),
                   .version = 1,
                   .augmentation = "zR",
                   .code_align = 1,
                   .data_align = 0x78, /* -8 */
                   .return_register = m->vdso->return_register,
                   .augmentation_bytes = 1,
                   .pointers = DW_PCREL_SDATA4,
                   .def_cfa = DW_CFA_DEF_CFA,
                   .cfa_register = m->vdso->stack_register,
                   .fde_bytes = offsetof(frames, end) - offsetof(frames, fde_cie),
                   .fde_cie = offsetof(frames, fde_cie),
                   .first = (int32_t)(m->sections[TEXT].sh_addr - at - offsetof(frames, first)),
                   .bytes = end_of_functions(m->vdso) };
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static void add_sections(image *m, Elf64_Ehdr *header)
{
    Elf64_Shdr *table;

    add_section(m, SHSTRTAB, 0);
    for (unsigned i = 0; i < SECTIONS; i++)
        m->sections[i].sh_name = add_text(m, SHSTRTAB, section_names[i]);
    table = add(m, 8, sizeof(m->sections));
    memcpy(table, m->sections, sizeof(m->sections));
    header->e_shoff = m->end - sizeof(m->sections);
}

static Elf64_Phdr segment(const image *m, uint32_t type, unsigned section)
{
    const Elf64_Shdr *s = &m->sections[section];

    return (Elf64_Phdr){ .p_type = type,
                         .p_flags = PF_R,
                         .p_offset = s->sh_offset,
                         .p_vaddr = s->sh_addr,
                         .p_paddr = s->sh_addr,
                         .p_filesz = s->sh_size,
                         .p_memsz = s->sh_size,
                         .p_align = s->sh_addralign };
}

static void make(image *m, uint16_t machine)
{
    enum { SEGMENTS = 3 };
    const pb_user_vdso *vdso = m->vdso;
    Elf64_Ehdr *header = add(m, 8, sizeof(*header));
    Elf64_Phdr *segments = add(m, 8, SEGMENTS * sizeof(*segments));
    Elf64_Sym *symbol;
    frames_head *head;
    uint32_t soname;
    frames *frame;

    add_symbols(m, &soname);
    add_dynamic(m, soname);
    add_frames(m, &head, &frame);
    memcpy(add_section(m, TEXT, vdso->bytes), vdso->code, vdso->bytes);
    fill_frames(m, head, frame);
    symbol = (Elf64_Sym *)(void *)(m->bytes + m->sections[DYNSYM].sh_addr);
    for (uint32_t i = 0; i < vdso->n_functions; i++)
        symbol[i + 1].st_value = m->sections[TEXT].sh_addr + vdso->functions[i].offset;
    *header = (Elf64_Ehdr){ .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                                         ELFDATA2LSB, EV_CURRENT },
                            .e_type = ET_DYN,
                            .e_machine = machine,
                            .e_version = EV_CURRENT,
                            .e_phoff = sizeof(*header),
                            .e_ehsize = sizeof(*header),
                            .e_phentsize = sizeof(Elf64_Phdr),
                            .e_phnum = SEGMENTS,
                            .e_shentsize = sizeof(Elf64_Shdr),
                            .e_shnum = SECTIONS,
                            .e_shstrndx = SHSTRTAB };
    add_sections(m, header);
    segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                .p_flags = PF_R | PF_X,
                                .p_filesz = m->end,
                                .p_memsz = m->end,
                                .p_align = PB_PAGE_SIZE };
    segments[1] = segment(m, PT_DYNAMIC, DYNAMIC);
    segments[2] = segment(m, PT_GNU_EH_FRAME, EH_FRAME_HDR);
}

bool pb_user_map_vdso(pb_user *user, GError **error)
{
    const pb_user_arch *arch = user->arch;
    g_autofree uint8_t *page = g_malloc0(PB_PAGE_SIZE);
    image m = { .bytes = page };
    int64_t at = pb_user_space_map(user->space, 0, PB_PAGE_SIZE, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t restorer = 0;

    if (PB_HAS(arch, vdso) && arch->vdso && arch->word_bytes == 8 && !arch->big_endian) {
        m.vdso = arch->vdso;
        make(&m, arch->elf_machine);
        restorer = m.sections[TEXT].sh_addr + arch->vdso->sigreturn;
        user->vdso = (uint64_t)at;
    } else {
        memcpy(page, arch->restorer, arch->restorer_bytes);
    }
    if (at < 0 || !pb_user_space_write(user->space, (uint64_t)at, page, PB_PAGE_SIZE) ||
        pb_user_space_protect(user->space, (uint64_t)at, PB_PAGE_SIZE, PROT_READ | PROT_EXEC) < 0) {
        g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_CANNOT, "no memory for a page of code");
        return false;
    }
    pb_user_space_name(user->space, (uint64_t)at, "[vdso]");
    user->restorer = (uint64_t)at + restorer;
    return true;
}
