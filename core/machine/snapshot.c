/*
 * Snapshots of whole machines: see snapshot.h.
 *
 * Records of the file (snapshot_file.h) and their names: SCHED "scheduler"; WIRING "machine"; VCPU, PART, REGIONS a
 * part's path; RAM the memory's name, followed by its PAGES. Pages of zeros are left out.
 */
#include <core/machine/internal.h>
#include <core/machine/snapshot.h>
#include <core/machine/snapshot_file.h>
#include <string.h>
#include <zlib.h>

#define PAGES_MAX 256u /* of one record: 1 MiB */

/* ---- memories of the machine: those of `memory:` and those in devices ------------------------ */

void machine_visit_ram(pb_machine *machine, machine_ram_visitor *visit, void *opaque)
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

static void put_pages(snapshot_writer *w, const char *name, const uint8_t *host, uint64_t first,
                      uint64_t count)
{
    uLongf bytes = compressBound(count << PB_PAGE_BITS);
    g_autofree uint8_t *packed = g_malloc(8 + bytes);

    memcpy(packed, &first, 8);
    compress2(packed + 8, &bytes, host + (first << PB_PAGE_BITS), count << PB_PAGE_BITS, 1);
    snapshot_put(w, RECORD_PAGES, name, packed, 8 + bytes);
}

static void put_ram(void *opaque, const char *name, pb_ram *ram)
{
    snapshot_writer *w = opaque;
    const uint8_t *host = pb_ram_host(ram);
    uint64_t bytes = pb_ram_bytes(ram), page, first = 0, count = 0;
    page_walk walk = { .ram = ram };

    snapshot_put(w, RECORD_RAM, name, &bytes, sizeof(bytes));
    while (walk_next(&walk, &page)) {
        if (count > 0 && page == first + count && count < PAGES_MAX) {
            count++;
            continue;
        }
        if (count > 0)
            put_pages(w, name, host, first, count);
        first = page;
        count = 1;
    }
    if (count > 0)
        put_pages(w, name, host, first, count);
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

static record_kind kind_of(const machine_part *part)
{
    return part->plan->kind == PB_KIND_BACKEND ? RECORD_BACKEND : RECORD_PART;
}

static void put_part(snapshot_writer *w, const machine_part *part)
{
    const char *path = part->plan->path;

    if (part->vcpu) {
        pb_vcpu_saved saved;

        pb_vcpu_save(part->vcpu, &saved);
        snapshot_put(w, RECORD_VCPU, path, &saved, sizeof(saved));
    }
    snapshot_put_variant(w, kind_of(part), path, pb_instance_save(part->instance));
    if (part->n_regions > 0)
        snapshot_put_variant(w, RECORD_REGIONS, path, regions_variant(part));
}

/* What makes an equal machine equal: loaders and the accelerator have no state of the guest. */
static bool has_state(const machine_part *part)
{
    return part->plan->kind != PB_KIND_LOADER && part->plan->kind != PB_KIND_ACCEL;
}

/* What is where and connected to what, as lines: a snapshot is for a machine with the same. Backends are outside of
 * the machine and may be others. */
static char *wiring(const pb_machine *machine)
{
    const pb_plan *plan = machine->plan;
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < plan->memories->len; i++) {
        const pb_plan_memory *memory = g_ptr_array_index(plan->memories, i);

        g_string_append_printf(text, "memory %s at 0x%" G_GINT64_MODIFIER "x\n", memory->name,
                               memory->gpa);
    }
    for (unsigned i = 0; i < plan->wires->len; i++) {
        const pb_plan_wire *wire = &g_array_index(plan->wires, pb_plan_wire, i);
        g_autofree char *from = pb_plan_port_text(wire->from, wire->from_port, wire->from_index);
        g_autofree char *to = pb_plan_port_text(wire->to, wire->to_port, wire->to_index);

        if (wire->from->kind != PB_KIND_BACKEND && wire->to->kind != PB_KIND_BACKEND)
            g_string_append_printf(text, "%s: %s\n", from, to);
    }
    return g_string_free(text, FALSE);
}

bool pb_machine_save(pb_machine *machine, const char *file, GError **error)
{
    snapshot_writer *w = snapshot_writer_new(file, error);
    g_autofree char *lines = wiring(machine);
    pb_sched_state sched;

    if (!w)
        return false;
    if (pb_sched_threads(machine->sched) == PB_THREADS_PARALLEL)
        pb_sched_quiesce(machine->sched); /* requests under way are in no part's state */
    pb_sched_lock_devices(machine->sched);
    pb_cpus_settle(machine->cpus);
    memset(&sched, 0, sizeof(sched));
    pb_sched_state_get(machine->sched, &sched);
    snapshot_put(w, RECORD_SCHED, "scheduler", &sched, sizeof(sched));
    snapshot_put(w, RECORD_WIRING, "machine", lines, strlen(lines));
    for (unsigned i = 0; i < machine->parts->len; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        if (has_state(part))
            put_part(w, part);
    }
    machine_visit_ram(machine, put_ram, w);
    pb_sched_unlock_devices(machine->sched);
    return snapshot_commit(w, error);
}

/* ---- loading: parts -------------------------------------------------------------------------- */

/* Whether the part gets state. A backend does if there was the same: it is outside of the machine, whose serial
 * port may have been a terminal and be a socket now. */
static bool takes_state(const snapshot *s, const machine_part *part)
{
    g_autoptr(GVariant) state = NULL;
    const char *type;

    if (kind_of(part) != RECORD_BACKEND)
        return has_state(part);
    state = snapshot_take_variant(s, RECORD_BACKEND, part->plan->path, PB_STATE_FORMAT, NULL);
    if (!state)
        return false;
    g_variant_get_child(state, 0, "&s", &type);
    return strcmp(type, part->class->name) == 0;
}

static bool check_regions(const snapshot *s, const machine_part *part, GError **error)
{
    g_autoptr(GVariant) saved =
        snapshot_take_variant(s, RECORD_REGIONS, part->plan->path, "a(tbb)", error);

    if (!saved)
        return false;
    return g_variant_n_children(saved) == part->n_regions ||
           snapshot_refuse(s, error, "'%s' has another number of regions", part->plan->path);
}

/* Whether a part's records are there and fit; nothing is changed. */
static bool check_part(const snapshot *s, const machine_part *part, GError **error)
{
    g_autoptr(GVariant) state =
        snapshot_take_variant(s, kind_of(part), part->plan->path, PB_STATE_FORMAT, error);
    g_autoptr(GError) why = NULL;
    pb_vcpu_saved saved;

    if (!state || (part->n_regions > 0 && !check_regions(s, part, error)) ||
        (part->vcpu &&
         !snapshot_take(s, RECORD_VCPU, part->plan->path, &saved, sizeof(saved), error)))
        return false;
    return pb_instance_check_state(part->instance, state, &why) ||
           snapshot_refuse(s, error, "%s", why->message);
}

static void put_regions(const snapshot *s, machine_part *part)
{
    g_autoptr(GVariant) saved =
        snapshot_take_variant(s, RECORD_REGIONS, part->plan->path, "a(tbb)", NULL);

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
        snapshot_take_variant(s, kind_of(part), part->plan->path, PB_STATE_FORMAT, NULL);

    if (part->n_regions > 0)
        put_regions(s, part);
    pb_instance_put_state(part->instance, state);
}

static bool tell_loaded(const snapshot *s, machine_part *part, GError **error)
{
    g_autoptr(GError) why = NULL;

    return pb_instance_loaded(part->instance, &why) ||
           snapshot_refuse(s, error, "%s", why->message);
}

static void put_vcpu(const snapshot *s, machine_part *part)
{
    pb_vcpu_saved saved;

    snapshot_take(s, RECORD_VCPU, part->plan->path, &saved, sizeof(saved), NULL);
    pb_vcpu_load(part->vcpu, &saved);
}

/* ---- loading: memory ------------------------------------------------------------------------- */

typedef struct ram_load {
    const snapshot *s;
    GError **error;
    bool ok;
    bool check; /* only look whether everything fits */
} ram_load;

static bool load_pages(const snapshot *s, const snapshot_record *r, pb_ram *ram, bool check,
                       GError **error)
{
    uint64_t pages = (pb_ram_bytes(ram) + PB_PAGE_MASK) >> PB_PAGE_BITS, first;
    uLongf bytes = PAGES_MAX << PB_PAGE_BITS;
    g_autofree uint8_t *unpacked = NULL;

    if (r->bytes < 8)
        return snapshot_refuse(s, error, "pages of '%s' are damaged", r->name);
    memcpy(&first, r->content, 8);
    if (first >= pages)
        return snapshot_refuse(s, error, "page %" G_GUINT64_FORMAT " of '%s' is past its end",
                               first, r->name);
    if (check)
        return true;
    unpacked = g_malloc(bytes);
    if (uncompress(unpacked, &bytes, r->content + 8, r->bytes - 8) != Z_OK ||
        bytes > (pages - first) << PB_PAGE_BITS)
        return snapshot_refuse(s, error, "pages of '%s' are damaged", r->name);
    memcpy(pb_ram_host(ram) + (first << PB_PAGE_BITS), unpacked, bytes);
    return true;
}

static void load_ram(void *opaque, const char *name, pb_ram *ram)
{
    ram_load *load = opaque;
    uint64_t bytes;

    load->ok =
        load->ok && snapshot_take(load->s, RECORD_RAM, name, &bytes, sizeof(bytes), load->error);
    if (load->ok && bytes != pb_ram_bytes(ram))
        load->ok = snapshot_refuse(load->s, load->error,
                                   "memory '%s' has %" G_GUINT64_FORMAT
                                   " bytes in it, and %" G_GUINT64_FORMAT " in this machine",
                                   name, bytes, pb_ram_bytes(ram));
    if (load->ok && !load->check)
        pb_ram_clear(ram);
    for (unsigned i = 0; load->ok && i < load->s->records->len; i++) {
        const snapshot_record *r = &g_array_index(load->s->records, snapshot_record, i);

        if (r->kind == RECORD_PAGES && strcmp(r->name, name) == 0)
            load->ok = load_pages(load->s, r, ram, load->check, load->error);
    }
    if (load->ok && !load->check)
        pb_ram_written(ram, 0, pb_ram_bytes(ram));
}

static bool load_memories(const snapshot *s, pb_machine *machine, bool check, GError **error)
{
    ram_load load = { s, error, true, check };

    machine_visit_ram(machine, load_ram, &load);
    return load.ok;
}

/* ---- loading: the machine -------------------------------------------------------------------- */

typedef struct ram_search {
    const char *name;
    bool found;
} ram_search;

static void search_ram(void *opaque, const char *name, pb_ram *ram)
{
    ram_search *search = opaque;

    search->found |= strcmp(name, search->name) == 0;
}

/* Whether the machine has what a record is of. */
static bool is_known(const snapshot_record *r, pb_machine *machine)
{
    ram_search search = { .name = r->name };

    if (r->kind == RECORD_VCPU || r->kind == RECORD_PART || r->kind == RECORD_REGIONS)
        return g_hash_table_contains(machine->by_path, r->name);
    if (r->kind == RECORD_RAM || r->kind == RECORD_PAGES) {
        machine_visit_ram(machine, search_ram, &search);
        return search.found;
    }
    return true;
}

/* Nothing in the snapshot that the machine does not have. */
static bool check_names(const snapshot *s, pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < s->records->len; i++) {
        const snapshot_record *r = &g_array_index(s->records, snapshot_record, i);

        if (r->kind < RECORD_FIRST || r->kind > RECORD_LAST)
            return snapshot_refuse(s, error, "it has a record of kind %u, which is not known",
                                   r->kind);
        if (!is_known(r, machine))
            return snapshot_refuse(s, error, "it has '%s', which this machine has not", r->name);
    }
    return true;
}

/* The first line of `lines` that is not among `others`, or null. */
static char *first_missing(const char *lines, const char *others)
{
    g_auto(GStrv) list = g_strsplit(lines, "\n", -1);
    g_auto(GStrv) other_list = g_strsplit(others, "\n", -1);

    for (char **line = list; *line; line++) {
        if (!g_strv_contains((const char *const *)other_list, *line))
            return g_strescape(*line, NULL); /* it may come from anywhere */
    }
    return NULL;
}

static bool check_wiring(const snapshot *s, const pb_machine *machine, GError **error)
{
    const snapshot_record *r = snapshot_find(s, RECORD_WIRING, "machine");
    g_autofree char *here = wiring(machine);
    g_autofree char *saved = r ? g_strndup((const char *)r->content, r->bytes) : g_strdup("");
    g_autofree char *gone = first_missing(saved, here), *added = first_missing(here, saved);

    if (gone)
        return snapshot_refuse(s, error, "it is of a machine that has '%s'", gone);
    return !added || snapshot_refuse(s, error, "it is of a machine that has no '%s'", added);
}

static bool check_sched(const snapshot *s, const pb_machine *machine, const pb_sched_state *saved,
                        GError **error)
{
    pb_sched_state here;

    pb_sched_state_get(machine->sched, &here);
    return !saved->ns_per_insn || !here.ns_per_insn || saved->ns_per_insn == here.ns_per_insn ||
           snapshot_refuse(s, error, "it was saved with ns-per-instruction %u, it is %u here",
                           saved->ns_per_insn, here.ns_per_insn);
}

/* Whether all of it is of this machine; nothing is changed. */
static bool check_machine(const snapshot *s, pb_machine *machine, GError **error)
{
    bool ok = check_names(s, machine, error) && load_memories(s, machine, true, error);

    for (unsigned i = 0; i < machine->parts->len && ok; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        ok = !takes_state(s, part) || check_part(s, part, error);
    }
    return ok && check_wiring(s, machine, error);
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

    if (!snapshot_take(s, RECORD_SCHED, "scheduler", &sched, sizeof(sched), error) ||
        !check_sched(s, machine, &sched, error) || !check_machine(s, machine, error) ||
        !machine_prepare(machine, error))
        return false;
    machine->ready = false;
    machine_reset_parts(machine);
    ok = load_memories(s, machine, false, error);
    pb_sched_state_set(machine->sched, &sched);
    pb_bus_begin(machine->bus);
    for (unsigned i = 0; i < machine->parts->len; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);

        if (takes_state(s, part))
            put_state(s, part);
    }
    for (unsigned i = 0; i < machine->parts->len && ok; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);

        ok = !takes_state(s, part) || tell_loaded(s, part, error);
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
    snapshot *s = snapshot_open(file, error);
    bool ok;

    if (!s)
        return false;
    pb_sched_lock_devices(machine->sched);
    ok = apply(s, machine, error);
    pb_sched_unlock_devices(machine->sched);
    snapshot_close(s);
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
    machine_visit_ram(machine, hash_ram, checksum);
    text = g_strdup(g_checksum_get_string(checksum));
    g_checksum_free(checksum);
    return text;
}
