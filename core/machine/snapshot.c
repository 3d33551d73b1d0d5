/*
 * Snapshots of whole machines: see snapshot.h.
 *
 * The file is a row of records in little-endian byte order:
 *
 *     magic     8 bytes, "PBSNAP\0" and the version
 *     record    u32 kind, u32 bytes of the name, u64 bytes of the content, name, content
 *     ...
 *     end       a record of kind END whose content is the SHA-256 of all bytes before the record
 *
 * Kinds and their names: SCHED "scheduler"; VCPU, PART, REGIONS a part's path; RAM the memory's
 * name, followed by its PAGES: u64 first page, then zlib data of up to PAGES_MAX pages. Pages of
 * zeros are left out.
 */
#include <core/machine/internal.h>
#include <core/machine/snapshot.h>
#include <core/util/file.h>
#include <string.h>
#include <zlib.h>

#define VERSION   1
#define PAGES_MAX 256u /* of one record: 1 MiB */

static const uint8_t magic[8] = { 'P', 'B', 'S', 'N', 'A', 'P', 0, VERSION };

typedef enum record_kind {
    RECORD_SCHED = 1,
    RECORD_VCPU,
    RECORD_PART,
    RECORD_REGIONS,
    RECORD_RAM, /* content: u64 size of the memory */
    RECORD_PAGES,
    RECORD_END,
} record_kind;

typedef struct record_head {
    uint32_t kind, name_bytes;
    uint64_t bytes;
} record_head;

_Static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "records are written as they are in memory");

/* ---- memories of the machine: those of `memory:` and those in devices ------------------------ */

typedef void (*ram_visitor)(void *opaque, const char *name, pb_ram *ram);

static void visit_ram(pb_machine *machine, ram_visitor visit, void *opaque)
{
    for (unsigned i = 0; i < machine->memories->len; i++) {
        const machine_memory *memory = &g_array_index(machine->memories, machine_memory, i);

        visit(opaque, memory->plan->name, memory->ram);
    }
    for (unsigned i = 0; i < machine->parts->len; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        for (uint32_t n = 0; n < part->n_regions; n++) {
            const machine_region *region = &part->regions[n];

            if (region->ram)
                visit(opaque, pb_ram_name(region->ram), region->ram);
        }
    }
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PB_PAGE_SIZE - 1) == 0;
}

/* Walks over the pages that are not zero. Starts as { ram }. */
typedef struct page_walk {
    const pb_ram *ram;
    uint64_t page, end; /* what is left of the stretch that the host holds */
} page_walk;

static bool walk_next(page_walk *w, uint64_t *page)
{
    const uint8_t *host = pb_ram_host((pb_ram *)w->ram);

    for (;; w->page++) {
        if (w->page == w->end) {
            uint64_t first = w->end << PB_PAGE_BITS, bytes;

            if (!pb_ram_next_extent(w->ram, &first, &bytes))
                return false;
            w->page = first >> PB_PAGE_BITS;
            w->end = (first + bytes + PB_PAGE_MASK) >> PB_PAGE_BITS;
        }
        if (!is_zero(host + (w->page << PB_PAGE_BITS))) {
            *page = w->page++;
            return true;
        }
    }
}

/* ---- saving ---------------------------------------------------------------------------------- */

typedef struct saver {
    pb_file_writer *writer;
    GChecksum *checksum;
} saver;

static void put(saver *s, const void *bytes, gsize length)
{
    g_checksum_update(s->checksum, bytes, (gssize)length);
    pb_file_write(s->writer, bytes, length);
}

static void put_record(saver *s, record_kind kind, const char *name, const void *bytes,
                       uint64_t length)
{
    const record_head head = { kind, (uint32_t)strlen(name), length };

    put(s, &head, sizeof(head));
    put(s, name, head.name_bytes);
    put(s, bytes, length);
}

static void put_variant(saver *s, record_kind kind, const char *name, GVariant *variant)
{
    g_variant_ref_sink(variant);
    put_record(s, kind, name, g_variant_get_data(variant), g_variant_get_size(variant));
    g_variant_unref(variant);
}

static void put_pages(saver *s, const char *name, const uint8_t *host, uint64_t first,
                      uint64_t count)
{
    uLongf bytes = compressBound(count << PB_PAGE_BITS);
    g_autofree uint8_t *packed = g_malloc(8 + bytes);

    memcpy(packed, &first, 8);
    compress2(packed + 8, &bytes, host + (first << PB_PAGE_BITS), count << PB_PAGE_BITS, 1);
    put_record(s, RECORD_PAGES, name, packed, 8 + bytes);
}

static void put_ram(void *opaque, const char *name, pb_ram *ram)
{
    saver *s = opaque;
    const uint8_t *host = pb_ram_host(ram);
    uint64_t bytes = pb_ram_bytes(ram), page, first = 0, count = 0;
    page_walk walk = { .ram = ram };

    put_record(s, RECORD_RAM, name, &bytes, sizeof(bytes));
    while (walk_next(&walk, &page)) {
        if (count > 0 && page == first + count && count < PAGES_MAX) {
            count++;
            continue;
        }
        if (count > 0)
            put_pages(s, name, host, first, count);
        first = page;
        count = 1;
    }
    if (count > 0)
        put_pages(s, name, host, first, count);
}

static GVariant *regions_variant(const machine_part *part)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(tbb)"));
    for (uint32_t i = 0; i < part->n_regions; i++)
        g_variant_builder_add(&builder, "(tbb)", part->regions[i].gpa, part->regions[i].placed,
                              part->regions[i].handlers);
    return g_variant_builder_end(&builder);
}

static void put_part(saver *s, const machine_part *part)
{
    const char *path = part->plan->path;

    if (part->vcpu) {
        pb_vcpu_saved saved;

        pb_vcpu_save(part->vcpu, &saved);
        put_record(s, RECORD_VCPU, path, &saved, sizeof(saved));
    }
    put_variant(s, RECORD_PART, path, pb_instance_save(part->instance));
    if (part->n_regions > 0)
        put_variant(s, RECORD_REGIONS, path, regions_variant(part));
}

/* What makes an equal machine equal: loaders and the accelerator have no state of the guest. */
static bool has_state(const machine_part *part)
{
    return part->plan->kind != PB_KIND_LOADER && part->plan->kind != PB_KIND_ACCEL;
}

static void put_end(saver *s)
{
    uint8_t digest[32];
    gsize length = sizeof(digest);

    g_checksum_get_digest(s->checksum, digest, &length);
    g_checksum_reset(s->checksum);
    put_record(s, RECORD_END, "", digest, length);
}

bool pb_machine_save(pb_machine *machine, const char *file, GError **error)
{
    saver s = { .writer = pb_file_writer_new(file, error) };
    pb_sched_state sched;

    if (!s.writer)
        return false;
    if (pb_sched_threads(machine->sched) == PB_THREADS_PARALLEL)
        pb_sched_quiesce(machine->sched); /* requests under way are in no part's state */
    s.checksum = g_checksum_new(G_CHECKSUM_SHA256);
    put(&s, magic, sizeof(magic));
    memset(&sched, 0, sizeof(sched));
    pb_sched_state_get(machine->sched, &sched);
    put_record(&s, RECORD_SCHED, "scheduler", &sched, sizeof(sched));
    for (unsigned i = 0; i < machine->parts->len; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        if (has_state(part))
            put_part(&s, part);
    }
    visit_ram(machine, put_ram, &s);
    put_end(&s);
    g_checksum_free(s.checksum);
    return pb_file_commit(s.writer, error);
}

/* ---- loading --------------------------------------------------------------------------------- */

typedef struct record {
    record_kind kind;
    char *name;
    const uint8_t *content;
    uint64_t bytes;
} record;

typedef struct snapshot {
    const char *file;
    GMappedFile *mapped;
    const uint8_t *bytes;
    gsize length;
    GArray *records; /* record */
} snapshot;

static void clear_record(gpointer r)
{
    g_free(((record *)r)->name);
}

static bool refuse(const snapshot *s, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool refuse(const snapshot *s, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_LOAD, "snapshot '%s': %s", s->file, text);
    return false;
}

/* One record at *at, which moves behind it. */
static bool read_record(snapshot *s, gsize *at, record *r, GError **error)
{
    gsize left = s->length - *at;
    record_head head;

    if (left < sizeof(head))
        return refuse(s, error, "it is truncated: no end after %" G_GSIZE_FORMAT " bytes",
                      s->length);
    memcpy(&head, s->bytes + *at, sizeof(head));
    left -= sizeof(head);
    if (head.name_bytes > left || head.bytes > left - head.name_bytes ||
        !g_utf8_validate((const char *)s->bytes + *at + sizeof(head), head.name_bytes, NULL))
        return refuse(s, error, "it is truncated or damaged at byte %" G_GSIZE_FORMAT, *at);
    *at += sizeof(head);
    *r = (record){ .kind = (record_kind)head.kind,
                   .name = g_strndup((const char *)s->bytes + *at, head.name_bytes),
                   .content = s->bytes + *at + head.name_bytes,
                   .bytes = head.bytes };
    *at += head.name_bytes + head.bytes;
    return true;
}

static bool check_sum(const snapshot *s, const record *end, gsize covered, GError **error)
{
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    uint8_t digest[32];
    gsize length = sizeof(digest);
    bool equal;

    g_checksum_update(checksum, s->bytes, (gssize)covered);
    g_checksum_get_digest(checksum, digest, &length);
    g_checksum_free(checksum);
    equal = end->bytes == length && memcmp(end->content, digest, length) == 0;
    return equal || refuse(s, error, "it is damaged: its checksum is wrong");
}

static bool read_records(snapshot *s, GError **error)
{
    gsize at = sizeof(magic);

    if (s->length < sizeof(magic) || memcmp(s->bytes, magic, sizeof(magic) - 1) != 0)
        return refuse(s, error, "this is no snapshot");
    if (s->bytes[sizeof(magic) - 1] != VERSION)
        return refuse(s, error, "it has version %u, this program reads version %u",
                      s->bytes[sizeof(magic) - 1], VERSION);
    for (;;) {
        gsize start = at;
        record r;

        if (!read_record(s, &at, &r, error))
            return false;
        g_array_append_val(s->records, r);
        if (r.kind == RECORD_END)
            return (at == s->length || refuse(s, error, "there is something behind its end")) &&
                   check_sum(s, &r, start, error);
    }
}

static const record *find_record(const snapshot *s, record_kind kind, const char *name)
{
    for (unsigned i = 0; i < s->records->len; i++) {
        const record *r = &g_array_index(s->records, record, i);

        if (r->kind == kind && strcmp(r->name, name) == 0)
            return r;
    }
    return NULL;
}

/* A record of a fixed size into `to`. */
static bool take(const snapshot *s, record_kind kind, const char *name, void *to, gsize bytes,
                 GError **error)
{
    const record *r = find_record(s, kind, name);

    if (!r)
        return refuse(s, error, "there is no '%s' in it: it is of another machine", name);
    if (r->bytes != bytes)
        return refuse(s, error,
                      "'%s' has %" G_GUINT64_FORMAT " bytes, %" G_GSIZE_FORMAT " are expected",
                      name, r->bytes, bytes);
    memcpy(to, r->content, bytes);
    return true;
}

static GVariant *take_variant(const snapshot *s, record_kind kind, const char *name,
                              const char *type, GError **error)
{
    const record *r = find_record(s, kind, name);
    g_autoptr(GBytes) bytes = NULL;
    GVariant *variant, *normal;

    if (!r) {
        refuse(s, error, "there is no '%s' in it: it is of another machine", name);
        return NULL;
    }
    bytes = g_bytes_new(r->content, r->bytes); /* aligned, unlike the file */
    variant = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));
    normal = g_variant_get_normal_form(variant);
    g_variant_unref(variant);
    return normal;
}

/* Nothing in the snapshot that the machine does not have. */
static bool check_names(const snapshot *s, pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < s->records->len; i++) {
        const record *r = &g_array_index(s->records, record, i);

        if (r->kind == RECORD_PART && !g_hash_table_contains(machine->by_path, r->name))
            return refuse(s, error, "it has '%s', which this machine has not", r->name);
    }
    return true;
}

static bool check_regions(const snapshot *s, const machine_part *part, GError **error)
{
    g_autoptr(GVariant) saved = take_variant(s, RECORD_REGIONS, part->plan->path, "a(tbb)", error);

    if (!saved)
        return false;
    return g_variant_n_children(saved) == part->n_regions ||
           refuse(s, error, "'%s' has another number of regions", part->plan->path);
}

/* Whether a part's records are there and fit; nothing is changed. */
static bool check_part(const snapshot *s, const machine_part *part, GError **error)
{
    g_autoptr(GVariant) state =
        take_variant(s, RECORD_PART, part->plan->path, PB_STATE_FORMAT, error);
    g_autoptr(GError) why = NULL;
    pb_vcpu_saved saved;

    if (!state || (part->n_regions > 0 && !check_regions(s, part, error)) ||
        (part->vcpu && !take(s, RECORD_VCPU, part->plan->path, &saved, sizeof(saved), error)))
        return false;
    return pb_instance_check_state(part->instance, state, &why) ||
           refuse(s, error, "%s", why->message);
}

static void put_regions(const snapshot *s, machine_part *part)
{
    g_autoptr(GVariant) saved = take_variant(s, RECORD_REGIONS, part->plan->path, "a(tbb)", NULL);

    for (uint32_t i = 0; i < part->n_regions; i++) {
        gboolean placed, handlers;
        guint64 gpa;

        g_variant_get_child(saved, i, "(tbb)", &gpa, &placed, &handlers);
        machine_region_romd(part->machine, part->instance, i, !handlers);
        if (part->regions[i].placed != placed || part->regions[i].gpa != gpa)
            machine_region_map(part->machine, part->instance, i, gpa, placed);
    }
}

/* A part that was checked. */
static void put_state(const snapshot *s, machine_part *part)
{
    g_autoptr(GVariant) state =
        take_variant(s, RECORD_PART, part->plan->path, PB_STATE_FORMAT, NULL);

    if (part->n_regions > 0)
        put_regions(s, part);
    pb_instance_put_state(part->instance, state);
}

static bool tell_loaded(const snapshot *s, machine_part *part, GError **error)
{
    g_autoptr(GError) why = NULL;

    return pb_instance_loaded(part->instance, &why) || refuse(s, error, "%s", why->message);
}

static void put_vcpu(const snapshot *s, machine_part *part)
{
    pb_vcpu_saved saved;

    take(s, RECORD_VCPU, part->plan->path, &saved, sizeof(saved), NULL);
    pb_vcpu_load(part->vcpu, &saved);
}

/* ---- memory */

typedef struct ram_load {
    const snapshot *s;
    GError **error;
    bool ok;
    bool check; /* only look whether everything fits */
} ram_load;

static bool load_pages(const snapshot *s, const record *r, pb_ram *ram, bool check, GError **error)
{
    uint64_t pages = (pb_ram_bytes(ram) + PB_PAGE_MASK) >> PB_PAGE_BITS, first;
    uLongf bytes = PAGES_MAX << PB_PAGE_BITS;
    g_autofree uint8_t *unpacked = NULL;

    if (r->bytes < 8)
        return refuse(s, error, "pages of '%s' are damaged", r->name);
    memcpy(&first, r->content, 8);
    if (first >= pages)
        return refuse(s, error, "page %" G_GUINT64_FORMAT " of '%s' is past its end", first,
                      r->name);
    if (check)
        return true;
    unpacked = g_malloc(bytes);
    if (uncompress(unpacked, &bytes, r->content + 8, r->bytes - 8) != Z_OK ||
        bytes > (pages - first) << PB_PAGE_BITS)
        return refuse(s, error, "pages of '%s' are damaged", r->name);
    memcpy(pb_ram_host(ram) + (first << PB_PAGE_BITS), unpacked, bytes);
    return true;
}

static void load_ram(void *opaque, const char *name, pb_ram *ram)
{
    ram_load *load = opaque;
    uint64_t bytes;

    load->ok = load->ok && take(load->s, RECORD_RAM, name, &bytes, sizeof(bytes), load->error);
    if (load->ok && bytes != pb_ram_bytes(ram))
        load->ok = refuse(load->s, load->error,
                          "memory '%s' has %" G_GUINT64_FORMAT
                          " bytes in it, and %" G_GUINT64_FORMAT " in this machine",
                          name, bytes, pb_ram_bytes(ram));
    if (load->ok && !load->check)
        pb_ram_clear(ram);
    for (unsigned i = 0; load->ok && i < load->s->records->len; i++) {
        const record *r = &g_array_index(load->s->records, record, i);

        if (r->kind == RECORD_PAGES && strcmp(r->name, name) == 0)
            load->ok = load_pages(load->s, r, ram, load->check, load->error);
    }
    if (load->ok && !load->check)
        pb_ram_written(ram, 0, pb_ram_bytes(ram));
}

static bool load_memories(const snapshot *s, pb_machine *machine, bool check, GError **error)
{
    ram_load load = { s, error, true, check };

    visit_ram(machine, load_ram, &load);
    return load.ok;
}

/* Whether all of it is of this machine; nothing is changed. */
static bool check_machine(const snapshot *s, pb_machine *machine, GError **error)
{
    bool ok = check_names(s, machine, error) && load_memories(s, machine, true, error);

    for (unsigned i = 0; i < machine->parts->len && ok; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        ok = !has_state(part) || check_part(s, part, error);
    }
    return ok;
}

/*
 * Parts are reset first: what a part has besides its state is then what its reset makes of it, whatever the
 * machine was before; in a new machine a reset may be what makes it. Then all get their state, and only then
 * are they told: `loaded` may ask other parts.
 */
static bool apply(const snapshot *s, pb_machine *machine, GError **error)
{
    pb_sched_state sched;
    bool ok;

    if (!take(s, RECORD_SCHED, "scheduler", &sched, sizeof(sched), error) ||
        !check_machine(s, machine, error) || !machine_prepare(machine, error))
        return false;
    machine->ready = false;
    machine_reset_parts(machine);
    ok = load_memories(s, machine, false, error);
    pb_sched_state_set(machine->sched, &sched);
    pb_bus_begin(machine->bus);
    for (unsigned i = 0; i < machine->parts->len; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);

        if (has_state(part))
            put_state(s, part);
    }
    for (unsigned i = 0; i < machine->parts->len && ok; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);

        ok = !has_state(part) || tell_loaded(s, part, error);
    }
    pb_bus_commit(machine->bus);
    pb_cpus_invalidate(machine->cpus);
    for (unsigned i = 0; i < machine->parts->len; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);

        if (part->vcpu)
            put_vcpu(s, part);
    }
    machine->ready = ok;
    return ok;
}

bool pb_machine_load(pb_machine *machine, const char *file, GError **error)
{
    snapshot s = { .file = file, .mapped = g_mapped_file_new(file, FALSE, error) };
    bool ok;

    if (!s.mapped)
        return false;
    s.bytes = (const uint8_t *)g_mapped_file_get_contents(s.mapped);
    s.length = g_mapped_file_get_length(s.mapped);
    s.records = g_array_new(FALSE, FALSE, sizeof(record));
    g_array_set_clear_func(s.records, clear_record);
    ok = read_records(&s, error);
    if (ok) {
        pb_sched_lock_devices(machine->sched);
        ok = apply(&s, machine, error);
        pb_sched_unlock_devices(machine->sched);
    }
    g_array_unref(s.records);
    g_mapped_file_unref(s.mapped);
    return ok;
}

/* ---- hashing --------------------------------------------------------------------------------- */

static void hash_ram(void *opaque, const char *name, pb_ram *ram)
{
    GChecksum *checksum = opaque;
    page_walk walk = { .ram = ram };
    uint64_t page;

    g_checksum_update(checksum, (const guchar *)name, -1);
    while (walk_next(&walk, &page)) {
        g_checksum_update(checksum, (const guchar *)&page, sizeof(page));
        g_checksum_update(checksum, pb_ram_host(ram) + (page << PB_PAGE_BITS), PB_PAGE_SIZE);
    }
}

static void hash_part(GChecksum *checksum, const machine_part *part)
{
    g_autoptr(GVariant) regions = g_variant_ref_sink(regions_variant(part));
    pb_vcpu_saved saved;

    g_checksum_update(checksum, (const guchar *)part->plan->path, -1);
    if (part->vcpu) {
        memset(&saved, 0, sizeof(saved));
        pb_vcpu_save(part->vcpu, &saved);
        g_checksum_update(checksum, (const guchar *)&saved, sizeof(saved));
    }
    pb_instance_hash(part->instance, checksum);
    g_checksum_update(checksum, g_variant_get_data(regions), (gssize)g_variant_get_size(regions));
}

char *pb_machine_hash(pb_machine *machine)
{
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    pb_sched_state sched;
    char *text;

    memset(&sched, 0, sizeof(sched));
    pb_sched_state_get(machine->sched, &sched);
    g_checksum_update(checksum, (const guchar *)&sched, sizeof(sched));
    for (unsigned i = 0; i < machine->parts->len; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        if (has_state(part))
            hash_part(checksum, part);
    }
    visit_ram(machine, hash_ram, checksum);
    text = g_strdup(g_checksum_get_string(checksum));
    g_checksum_free(checksum);
    return text;
}
