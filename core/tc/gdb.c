/*
 * Translated code for gdb: its JIT compilation interface ("Debugging with GDB", 30), which other debuggers know too.
 *
 * A debugger reads a list of object files in memory: when it attaches, and when a function is called in which it then
 * has a breakpoint. One object has the thunks' name, and the frames of all emitted code (DWARF 5, 6.4) as the generator
 * tells them. The others name units.
 *
 * Every object costs a debugger time, so there is not one for each unit: as in a binary counter, two neighbours of a
 * slab that have as many units become one. A slab of n units has at most log2(n) + 1 objects, and each unit was written
 * as often. What was dropped keeps its name until its memory is used again.
 *
 * Not here: lines and types of guest code.
 */
#include <core/tc/watch.h>

#include <elf.h>
#include <string.h>

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#else
#define HOST_MACHINE EM_NONE
#endif

/* ---- the interface ----------------------------------------------------------------------------------------- */

enum { JIT_NOACTION = 0, JIT_REGISTER_FN, JIT_UNREGISTER_FN };

struct jit_code_entry {
    struct jit_code_entry *next, *prev;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version;
    uint32_t action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

extern struct jit_descriptor __jit_debug_descriptor;
void __jit_debug_register_code(void);

PB_EXPORT struct jit_descriptor __jit_debug_descriptor = { .version = 1 };

/* The debugger stops here, and looks at the descriptor. */
PB_EXPORT __attribute__((noinline)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

static pthread_mutex_t interface = PTHREAD_MUTEX_INITIALIZER; /* caches share the list */

static void tell(struct jit_code_entry *entry, uint32_t action)
{
    __jit_debug_descriptor.relevant_entry = entry;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = JIT_NOACTION;
    __jit_debug_descriptor.relevant_entry = NULL;
}

static void enter(struct jit_code_entry *entry)
{
    pthread_mutex_lock(&interface);
    entry->next = __jit_debug_descriptor.first_entry;
    if (entry->next)
        entry->next->prev = entry;
    __jit_debug_descriptor.first_entry = entry;
    tell(entry, JIT_REGISTER_FN);
    pthread_mutex_unlock(&interface);
}

static void take_out(struct jit_code_entry *entry)
{
    pthread_mutex_lock(&interface);
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        __jit_debug_descriptor.first_entry = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    tell(entry, JIT_UNREGISTER_FN);
    pthread_mutex_unlock(&interface);
}

/* ---- objects ----------------------------------------------------------------------------------------------- */

enum { S_NULL, S_TEXT, S_SYMTAB, S_STRTAB, S_FRAMES, S_SHSTRTAB, SECTIONS };

static const char section_names[] = "\0.text\0.symtab\0.strtab\0.debug_frame\0.shstrtab";
static const uint8_t section_name_at[SECTIONS] = { 0, 1, 7, 15, 23, 36 };

/* Code from `rx` on, whose parts have names. */
typedef struct gdb_object {
    struct jit_code_entry entry; /* first */
    uintptr_t rx;
    uint64_t bytes;
    GArray *symbols; /* Elf64_Sym */
    GString *names;
    GByteArray *file;
} gdb_object;

struct tc_gdb {
    pb_tc *tc;
    gdb_object *thunks; /* null: nothing was published yet */
    GPtrArray **units;  /* by slab: gdb_object, by address; null: none */
};

static gdb_object *object_new(const uint8_t *rx)
{
    const Elf64_Sym first = { 0 };
    gdb_object *object = g_new0(gdb_object, 1);

    object->rx = (uintptr_t)rx;
    object->symbols = g_array_new(FALSE, FALSE, sizeof(Elf64_Sym));
    g_array_append_val(object->symbols, first);
    object->names = g_string_new(NULL);
    g_string_append_c(object->names, '\0');
    object->file = g_byte_array_new();
    return object;
}

static void add_name(gdb_object *object, const uint8_t *rx, uint64_t bytes, const char *name)
{
    Elf64_Sym symbol = { .st_name = (Elf64_Word)object->names->len,
                         .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
                         .st_shndx = S_TEXT,
                         .st_value = (uintptr_t)rx - object->rx,
                         .st_size = bytes };

    g_string_append_len(object->names, name, (gssize)strlen(name) + 1);
    g_array_append_val(object->symbols, symbol);
    object->bytes = MAX(object->bytes, symbol.st_value + bytes);
}

/* All names of the other object, whose code comes behind. */
static void add_all(gdb_object *object, const gdb_object *other)
{
    for (unsigned i = 1; i < other->symbols->len; i++) {
        const Elf64_Sym *symbol = &g_array_index(other->symbols, Elf64_Sym, i);
        const uint8_t *rx = (const uint8_t *)other->rx + symbol->st_value;

        add_name(object, rx, symbol->st_size, other->names->str + symbol->st_name);
    }
}

static void put_section(GByteArray *file, Elf64_Shdr *section, uint32_t type, const void *data,
                        size_t bytes, size_t entry_bytes)
{
    static const uint8_t zeros[8];

    g_byte_array_append(file, zeros, -file->len & 7);
    section->sh_type = type;
    section->sh_offset = file->len;
    section->sh_size = bytes;
    section->sh_entsize = entry_bytes;
    section->sh_addralign = 8;
    g_byte_array_append(file, data, (guint)bytes);
}

/* Make the file of what the object has, and tell of it. frames: DWARF's, or null. */
static void object_enter(gdb_object *object, const GByteArray *frames)
{
    Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                     EV_CURRENT },
                        .e_type = ET_REL,
                        .e_machine = HOST_MACHINE,
                        .e_version = EV_CURRENT,
                        .e_ehsize = sizeof(Elf64_Ehdr),
                        .e_shentsize = sizeof(Elf64_Shdr),
                        .e_shnum = SECTIONS,
                        .e_shstrndx = S_SHSTRTAB };
    Elf64_Shdr sections[SECTIONS] = {
        [S_TEXT] = { .sh_type = SHT_NOBITS,
                     .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                     .sh_addr = object->rx,
                     .sh_size = object->bytes,
                     .sh_addralign = 1 },
        [S_SYMTAB] = { .sh_link = S_STRTAB, .sh_info = object->symbols->len },
    };
    GByteArray *file = object->file;

    for (unsigned i = 0; i < SECTIONS; i++)
        sections[i].sh_name = section_name_at[i];
    g_byte_array_append(file, (const guint8 *)&head, sizeof(head));
    put_section(file, &sections[S_SYMTAB], SHT_SYMTAB, object->symbols->data,
                object->symbols->len * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
    put_section(file, &sections[S_STRTAB], SHT_STRTAB, object->names->str, object->names->len, 0);
    put_section(file, &sections[S_FRAMES], SHT_PROGBITS, frames ? frames->data : NULL,
                frames ? frames->len : 0, 0);
    put_section(file, &sections[S_SHSTRTAB], SHT_STRTAB, section_names, sizeof(section_names), 0);
    head.e_shoff = file->len + (-file->len & 7);
    put_section(file, &sections[S_NULL], SHT_NULL, NULL, 0, 0);
    sections[S_NULL] = (Elf64_Shdr){ 0 };
    g_byte_array_append(file, (const guint8 *)sections, sizeof(sections));
    memcpy(file->data, &head, sizeof(head));
    object->entry.symfile_addr = (const char *)file->data;
    object->entry.symfile_size = file->len;
    enter(&object->entry);
}

static void object_free(gpointer p)
{
    gdb_object *object = p;

    take_out(&object->entry);
    g_array_unref(object->symbols);
    g_string_free(object->names, TRUE);
    g_byte_array_unref(object->file);
    g_free(object);
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

enum {
    DW_CFA_ADVANCE_LOC4 = 0x04,
    DW_CFA_SAME_VALUE = 0x08,
    DW_CFA_DEF_CFA = 0x0c,
    DW_CFA_OFFSET = 0x80, /* with a register below 64 */
    DATA_ALIGN = -8,
};

static void put_byte(GByteArray *to, uint32_t byte)
{
    g_byte_array_append(to, &(guint8){ (guint8)byte }, 1);
}

static void put_uint(GByteArray *to, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        put_byte(to, (uint32_t)(value >> 8 * i) & 0xff);
}

static void put_uleb(GByteArray *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(to, (uint32_t)(value & 0x7f) | 0x80);
    put_byte(to, (uint32_t)value);
}

/* The rules of a row, all of them: rows are few. */
static void put_row(GByteArray *to, const pb_code_frames *frames, const pb_code_frame *row)
{
    put_byte(to, DW_CFA_DEF_CFA);
    put_uleb(to, frames->stack_pointer);
    put_uleb(to, row->bytes);
    for (uint32_t i = 0; i < frames->n_saved; i++) {
        if (i < row->saved) {
            put_byte(to, DW_CFA_OFFSET | frames->saved[i]);
            put_uleb(to, i + 1);
        } else {
            put_byte(to, DW_CFA_SAME_VALUE);
            put_uleb(to, frames->saved[i]);
        }
    }
}

/* DW_CFA_nop until the length is a multiple of 8, which is written then. */
static void end_entry(GByteArray *to, uint32_t start)
{
    uint32_t length;

    put_uint(to, 0, -(to->len - start) & 7);
    length = to->len - start - 4;
    memcpy(to->data + start, &length, 4);
}

static void put_cie(GByteArray *to, const pb_code_frames *frames)
{
    uint32_t start = to->len;

    put_uint(to, 0, 4);
    put_uint(to, UINT32_MAX, 4); /* a CIE */
    put_byte(to, 4);             /* version */
    put_byte(to, 0);             /* augmentation: none */
    put_byte(to, sizeof(void *));
    put_byte(to, 0); /* segments have no selectors */
    put_uleb(to, 1); /* alignment of code */
    put_byte(to, DATA_ALIGN & 0x7f);
    put_uleb(to, frames->return_address);
    put_row(to, frames, &frames->unit);
    end_entry(to, start);
}

/* Of code without rows the CIE's hold. */
static void put_fde(GByteArray *to, const pb_code_frames *frames, const uint8_t *rx, uint64_t bytes,
                    const pb_code_frame *rows, uint32_t n)
{
    uint32_t start = to->len, at = 0;

    put_uint(to, 0, 4);
    put_uint(to, 0, 4); /* the CIE is at the section's begin */
    put_uint(to, (uintptr_t)rx, 8);
    put_uint(to, bytes, 8);
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].offset > at) {
            put_byte(to, DW_CFA_ADVANCE_LOC4);
            put_uint(to, rows[i].offset - at, 4);
            at = rows[i].offset;
        }
        put_row(to, frames, &rows[i]);
    }
    end_entry(to, start);
}

static GByteArray *make_frames(const pb_tc *tc)
{
    const pb_code_frames *frames = NULL;
    GByteArray *section;

    if (PB_CODEGEN_HAS(tc->codegen, frames) && tc->codegen->frames)
        frames = tc->codegen->frames(tc->codegen_self);
    if (!frames)
        return NULL;
    section = g_byte_array_new();
    put_cie(section, frames);
    put_fde(section, frames, tc->rx, slab_bytes(tc), frames->thunks, frames->n_thunks);
    put_fde(section, frames, tc->rx + slab_bytes(tc), tc->bytes - slab_bytes(tc), NULL, 0);
    return section;
}

/* ---- what the cache tells ---------------------------------------------------------------------------------- */

tc_gdb *tc_gdb_new(pb_tc *tc)
{
    tc_gdb *gdb = g_new0(tc_gdb, 1);

    gdb->tc = tc;
    gdb->units = g_new0(GPtrArray *, tc->n_slabs);
    return gdb;
}

void tc_gdb_free(tc_gdb *gdb)
{
    for (uint32_t i = 0; i < gdb->tc->n_slabs; i++)
        if (gdb->units[i])
            g_ptr_array_unref(gdb->units[i]);
    g_free(gdb->units);
    g_clear_pointer(&gdb->thunks, object_free);
    g_free(gdb);
}

/* Thunks are there when the first unit is. */
static void enter_thunks(tc_gdb *gdb)
{
    GByteArray *frames = make_frames(gdb->tc);

    gdb->thunks = object_new(gdb->tc->rx);
    add_name(gdb->thunks, gdb->tc->rx, PB_CODEGEN_THUNK_BYTES, "thunks");
    object_enter(gdb->thunks, frames);
    if (frames)
        g_byte_array_unref(frames);
}

/* How many of the last objects, and one unit, become one object. */
static uint32_t count_equal(const GPtrArray *objects)
{
    uint32_t n = 0, units = 1;

    while (n < objects->len) {
        const gdb_object *object = g_ptr_array_index(objects, objects->len - 1 - n);

        if (object->symbols->len - 1 != units)
            break;
        units *= 2;
        n++;
    }
    return n;
}

void tc_gdb_published(tc_gdb *gdb, const tc_unit *u, const char *name)
{
    uint32_t slab = slab_of_unit(gdb->tc, number_of(gdb->tc, u)), n;
    const uint8_t *rx = u->head.code;
    gdb_object *object;
    GPtrArray *objects;

    if (!gdb->thunks)
        enter_thunks(gdb);
    if (!gdb->units[slab])
        gdb->units[slab] = g_ptr_array_new_with_free_func(object_free);
    objects = gdb->units[slab];
    n = count_equal(objects);
    if (n > 0)
        rx = (const uint8_t *)((const gdb_object *)objects->pdata[objects->len - n])->rx;
    object = object_new(rx);
    for (uint32_t i = n; i > 0; i--)
        add_all(object, g_ptr_array_index(objects, objects->len - i));
    add_name(object, u->head.code, u->head.bytes, name);
    g_ptr_array_set_size(objects, (gint)(objects->len - n));
    object_enter(object, NULL);
    g_ptr_array_add(objects, object);
}

void tc_gdb_reclaimed(tc_gdb *gdb, const tc_slab *slab)
{
    g_clear_pointer(&gdb->units[slab->index], g_ptr_array_unref);
}
