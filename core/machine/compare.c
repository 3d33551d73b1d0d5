/*
 * What differs between two machines of the same make, both standing still. Not compared: loaders, the accelerator, and
 * backends, which are outside of the machine.
 */
#include <core/machine/internal.h>
#include <inttypes.h>
#include <string.h>

#define MOST_WORDS 8u /* of one memory, in the text */

/* A comparison; text may be null: then it ends with the first difference. */
typedef struct comparison {
    GString *text;
    bool differ;
} comparison;

static void differ(comparison *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void differ(comparison *c, const char *format, ...)
{
    va_list args;

    c->differ = true;
    if (!c->text)
        return;
    va_start(args, format);
    g_string_append(c->text, "  ");
    g_string_append_vprintf(c->text, format, args);
    g_string_append_c(c->text, '\n');
    va_end(args);
}

static void compare_number(comparison *c, const char *path, const char *name, uint64_t a,
                           uint64_t b)
{
    if (a != b)
        differ(c, "%s: %s: 0x%" PRIx64 " / 0x%" PRIx64, path, name, a, b);
}

static bool done(const comparison *c)
{
    return c->differ && !c->text;
}

/* ---- processors ------------------------------------------------------------------------------ */

static void compare_slot(comparison *c, const char *path, const pb_slot *slot, const void *mine,
                         const void *other)
{
    pb_u128 a = { 0, 0 }, b = { 0, 0 };
    uint32_t bytes = pb_slot_bytes(slot->type);

    memcpy(&a, (const char *)mine + slot->offset, MIN(bytes, sizeof(a)));
    memcpy(&b, (const char *)other + slot->offset, MIN(bytes, sizeof(b)));
    if (a.lo == b.lo && a.hi == b.hi)
        return;
    if (bytes > 8)
        differ(c, "%s: %s: 0x%016" PRIx64 "_%016" PRIx64 " / 0x%016" PRIx64 "_%016" PRIx64, path,
               slot->name, a.hi, a.lo, b.hi, b.lo);
    else
        differ(c, "%s: %s: 0x%" PRIx64 " / 0x%" PRIx64, path, slot->name, a.lo, b.lo);
}

static void compare_vcpu(comparison *c, const machine_part *a, const machine_part *b)
{
    const char *path = a->plan->path;
    pb_vcpu_saved x, y;

    pb_vcpu_save(a->vcpu, &x);
    pb_vcpu_save(b->vcpu, &y);
    for (const pb_slot *slot = a->vcpu->type->slots; c->text && slot->name; slot++)
        compare_slot(c, path, slot, a->vcpu->state, b->vcpu->state);
    compare_number(c, path, "instructions executed", x.retired, y.retired);
    compare_number(c, path, "exclusive: address", x.exclusive_gva, y.exclusive_gva);
    compare_number(c, path, "exclusive: physical address", x.exclusive_gpa, y.exclusive_gpa);
    compare_number(c, path, "exclusive: value", x.exclusive_value.lo, y.exclusive_value.lo);
    compare_number(c, path, "exclusive: value, upper half", x.exclusive_value.hi,
                   y.exclusive_value.hi);
    compare_number(c, path, "exclusive: bytes", x.exclusive_bytes, y.exclusive_bytes);
    compare_number(c, path, "powered", x.powered, y.powered);
    compare_number(c, path, "idle", x.idle, y.idle);
    compare_number(c, path, "interrupt pending", x.interrupt, y.interrupt);
    for (uint32_t i = 0; i < G_N_ELEMENTS(x.fp); i++) {
        compare_number(c, path, "floating-point flags", x.fp[i].flags, y.fp[i].flags);
        compare_number(c, path, "rounding mode", x.fp[i].round, y.fp[i].round);
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void compare_regions(comparison *c, const machine_part *a, const machine_part *b)
{
    for (uint32_t i = 0; i < a->n_regions; i++) {
        compare_number(c, a->plan->path, "address of a region", a->regions[i].gpa,
                       b->regions[i].gpa);
        compare_number(c, a->plan->path, "a region is placed", a->regions[i].placed,
                       b->regions[i].placed);
        compare_number(c, a->plan->path, "a region is read by its device", a->regions[i].handlers,
                       b->regions[i].handlers);
    }
}

static void compare_part(comparison *c, const machine_part *a, const machine_part *b)
{
    g_autoptr(GVariant) mine = g_variant_ref_sink(pb_instance_save(a->instance));
    g_autoptr(GVariant) other = g_variant_ref_sink(pb_instance_save(b->instance));
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;

    if (a->vcpu)
        compare_vcpu(c, a, b);
    compare_regions(c, a, b);
    if (g_variant_equal(mine, other) || done(c))
        return;
    pb_state_compare(mine, other, a->plan->path, text);
    lines = g_strsplit(text->str, "\n", -1);
    for (char **line = lines; *line; line++)
        if (**line)
            differ(c, "%s", *line);
}

static bool is_compared(const machine_part *part)
{
    return part->plan->kind != PB_KIND_LOADER && part->plan->kind != PB_KIND_ACCEL &&
           part->plan->kind != PB_KIND_BACKEND;
}

/* The parts that are compared, in the order of the plan. */
static GPtrArray *parts_of(const pb_machine *machine)
{
    GPtrArray *parts = g_ptr_array_new();

    for (unsigned i = 0; i < machine->parts->len; i++)
        if (is_compared(g_ptr_array_index(machine->parts, i)))
            g_ptr_array_add(parts, g_ptr_array_index(machine->parts, i));
    return parts;
}

static void compare_parts(comparison *c, const pb_machine *a, const pb_machine *b)
{
    g_autoptr(GPtrArray) mine = parts_of(a), others = parts_of(b);

    g_assert(mine->len == others->len);
    for (unsigned i = 0; i < mine->len && !done(c); i++)
        compare_part(c, g_ptr_array_index(mine, i), g_ptr_array_index(others, i));
}

static void compare_time(comparison *c, pb_machine *a, pb_machine *b)
{
    pb_sched_state x, y;

    pb_sched_state_get(a->sched, &x);
    pb_sched_state_get(b->sched, &y);
    compare_number(c, "scheduler", "instructions", x.insns, y.insns);
    compare_number(c, "scheduler", "nanoseconds", x.now_ns, y.now_ns);
    compare_number(c, "scheduler", "turn", x.turn, y.turn);
    compare_number(c, "scheduler", "left of the turn", x.turn_left, y.turn_left);
    compare_number(c, "scheduler", "a reset is wanted", x.reset_requested, y.reset_requested);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void list_ram(void *opaque, const char *name, pb_ram *ram)
{
    g_ptr_array_add(opaque, ram);
}

/* The next stretch that one of both has something in. */
static bool next_stretch(const pb_ram *a, const pb_ram *b, uint64_t *first, uint64_t *bytes)
{
    uint64_t first_a = *first, first_b = *first, bytes_a, bytes_b;
    bool in_a = pb_ram_next_extent(a, &first_a, &bytes_a);
    bool in_b = pb_ram_next_extent(b, &first_b, &bytes_b);

    if (!in_a && !in_b)
        return false;
    if (in_a && (!in_b || first_a <= first_b)) {
        *first = first_a;
        *bytes = bytes_a;
    } else {
        *first = first_b;
        *bytes = bytes_b;
    }
    return true;
}

/* Words of a stretch that differ. */
static void compare_words(comparison *c, const char *name, const uint8_t *a, const uint8_t *b,
                          uint64_t first, uint64_t bytes, uint32_t *words)
{
    for (uint64_t i = first; i < first + bytes && *words < MOST_WORDS; i += 8) {
        uint32_t n = (uint32_t)MIN(first + bytes - i, 8);
        uint64_t x = 0, y = 0;

        memcpy(&x, a + i, n);
        memcpy(&y, b + i, n);
        if (x == y)
            continue;
        differ(c, "%s+0x%" PRIx64 ": 0x%016" PRIx64 " / 0x%016" PRIx64, name, i, x, y);
        if (++*words == MOST_WORDS)
            differ(c, "%s: and perhaps more", name);
    }
}

static void compare_ram(comparison *c, pb_ram *a, pb_ram *b)
{
    const uint8_t *mine = pb_ram_host(a), *other = pb_ram_host(b);
    uint64_t first = 0, bytes = 0;
    uint32_t words = 0;

    for (; next_stretch(a, b, &first, &bytes) && !done(c); first += bytes) {
        bytes = MIN(bytes, pb_ram_bytes(a) - first);
        if (memcmp(mine + first, other + first, bytes) == 0)
            continue;
        if (c->text)
            compare_words(c, pb_ram_name(a), mine, other, first, bytes, &words);
        else
            c->differ = true;
    }
}

static void compare_memories(comparison *c, pb_machine *a, pb_machine *b)
{
    g_autoptr(GPtrArray) mine = g_ptr_array_new(), others = g_ptr_array_new();

    machine_visit_ram(a, list_ram, mine);
    machine_visit_ram(b, list_ram, others);
    g_assert(mine->len == others->len);
    for (unsigned i = 0; i < mine->len && !done(c); i++)
        compare_ram(c, g_ptr_array_index(mine, i), g_ptr_array_index(others, i));
}

/* ---- machines -------------------------------------------------------------------------------- */

bool machine_compare(pb_machine *a, pb_machine *b, GString *text)
{
    comparison c = { .text = text };

    compare_time(&c, a, b);
    if (!done(&c))
        compare_parts(&c, a, b);
    if (!done(&c))
        compare_memories(&c, a, b);
    return !c.differ;
}
