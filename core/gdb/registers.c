/*
 * Registers and their description for gdb: gdb manual, "Target Descriptions". Made of the cpu type's slots and of what it
 * says besides (pb_gdb_target).
 *
 * Registers with numbers below those of the system registers are what `g` has; the others are read one by one.
 */
#include <core/gdb/internal.h>

/* ---- the table ----------------------------------------------------------------------------------------- */

static const pb_gdb_feature *feature_of(const pb_gdb_target *target, int32_t number)
{
    for (const pb_gdb_feature *f = target->features; f->name; f++)
        if (number >= f->first && number <= f->last)
            return f;
    return NULL;
}

static const char *integer_of(uint32_t bytes)
{
    return bytes == 16  ? "uint128"
           : bytes == 8 ? "uint64"
           : bytes == 4 ? "uint32"
           : bytes == 2 ? "uint16"
                        : "uint8";
}

static gdb_register of_slot(const pb_cpu_type *type, uint32_t i, const pb_gdb_feature *feature)
{
    const pb_slot *slot = &type->slots[i];
    uint32_t bytes = pb_slot_bytes(slot->type);
    const char *name = integer_of(bytes);

    if (i == type->pc_slot)
        name = "code_ptr";
    else if (i == type->gdb->sp_slot)
        name = "data_ptr";
    else if (slot->type == IR_V128 && feature->vector)
        name = feature->vector;
    return (gdb_register){ .name = slot->name,
                           .type = name,
                           .number = (uint32_t)slot->gdb,
                           .bytes = bytes,
                           .slot = slot,
                           .feature = feature };
}

static void add_described(GArray *registers, const pb_cpu_type *type)
{
    for (uint32_t i = 0; type->slots[i].name; i++) {
        const pb_gdb_feature *feature = feature_of(type->gdb, type->slots[i].gdb);

        if (feature && type->slots[i].type != IR_FL) {
            gdb_register r = of_slot(type, i, feature);

            g_array_append_val(registers, r);
        }
    }
    for (const pb_gdb_register *made = type->gdb->registers; made->name; made++) {
        gdb_register r = { .name = made->name,
                           .type = made->type ? made->type : integer_of(made->bits / 8),
                           .number = (uint32_t)made->number,
                           .bytes = made->bits / 8,
                           .made = made,
                           .feature = feature_of(type->gdb, made->number) };

        g_array_append_val(registers, r);
    }
}

static void add_system(GArray *registers, const pb_cpu_type *type)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < registers->len; i++)
        number = MAX(number, g_array_index(registers, gdb_register, i).number + 1);
    for (const pb_slot *slot = type->slots; type->gdb->system && slot->name; slot++) {
        gdb_register r = { .name = slot->name, .group = "system", .slot = slot };

        if (slot->gdb >= 0 || g_strcmp0(slot->group, "system") != 0 || slot->type == IR_FL)
            continue;
        r.bytes = pb_slot_bytes(slot->type);
        r.type = integer_of(r.bytes);
        r.number = number++;
        g_array_append_val(registers, r);
    }
}

/* What a program has of them: where its threads' own data is. */
static void add_tls(GArray *registers, const pb_cpu_type *type)
{
    const pb_slot *slot = &type->slots[type->gdb->tls_slot];
    gdb_register r = { .name = type->gdb->tls_name,
                       .type = "data_ptr",
                       .slot = slot,
                       .bytes = pb_slot_bytes(slot->type) };

    for (unsigned i = 0; i < registers->len; i++)
        r.number = MAX(r.number, g_array_index(registers, gdb_register, i).number + 1);
    g_array_append_val(registers, r);
}

static bool has_tls(const pb_gdb_target *target)
{
    return PB_HAS(target, tls_slot) && target->tls_name;
}

static int compare_numbers(gconstpointer a, gconstpointer b)
{
    uint32_t x = ((const gdb_register *)a)->number, y = ((const gdb_register *)b)->number;

    return x < y ? -1 : x > y;
}

const gdb_kind *gdb_kind_of(const pb_gdb *gdb, const pb_vcpu *vcpu)
{
    for (unsigned i = 0; i < gdb->kinds->len; i++) {
        const gdb_kind *kind = gdb->kinds->pdata[i];

        if (kind->type->slots == vcpu->type->slots)
            return kind;
    }
    return NULL;
}

const gdb_kind *gdb_current_kind(const pb_gdb *gdb)
{
    return gdb_kind_of(gdb, gdb_cpu(gdb));
}

const gdb_register *gdb_find_register(const pb_gdb *gdb, uint64_t number)
{
    const GArray *registers = gdb_current_kind(gdb)->registers;

    for (unsigned i = 0; i < registers->len; i++)
        if (g_array_index(registers, gdb_register, i).number == number)
            return &g_array_index(registers, gdb_register, i);
    return NULL;
}

uint32_t gdb_general_count(const pb_gdb *gdb)
{
    const GArray *registers = gdb_current_kind(gdb)->registers;
    uint32_t n = 0;

    while (n < registers->len && g_array_index(registers, gdb_register, n).feature)
        n++;
    return n;
}

/* ---- the description ----------------------------------------------------------------------------------- */

static void append_feature(const GArray *registers, GString *xml, const char *name,
                           const char *types, const pb_gdb_feature *feature)
{
    g_string_append_printf(xml, "<feature name=\"%s\">%s", name, types ? types : "");
    for (unsigned i = 0; i < registers->len; i++) {
        const gdb_register *r = &g_array_index(registers, gdb_register, i);

        if (r->feature != feature)
            continue;
        g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"%u\" regnum=\"%u\" type=\"%s\"",
                               r->name, r->bytes * 8, r->number, r->type);
        if (r->group) /* nothing to save around calls that gdb makes */
            g_string_append_printf(xml, " group=\"%s\" save-restore=\"no\"", r->group);
        g_string_append(xml, "/>");
    }
    g_string_append(xml, "</feature>");
}

static char *make_xml(const GArray *registers, const pb_gdb_target *target, bool program)
{
    GString *xml = g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                                "<target version=\"1.0\">");

    g_string_append_printf(xml, "<architecture>%s</architecture>", target->architecture);
    if (program)
        g_string_append(xml, "<osabi>GNU/Linux</osabi>");
    for (const pb_gdb_feature *f = target->features; f->name; f++)
        append_feature(registers, xml, f->name, f->types, f);
    if (program && has_tls(target))
        append_feature(registers, xml, target->tls, NULL, NULL);
    else if (!program && target->system)
        append_feature(registers, xml, target->system, NULL, NULL);
    g_string_append(xml, "</target>");
    return g_string_free(xml, FALSE);
}

static gdb_kind *describe(const pb_cpu_type *type, bool program)
{
    gdb_kind *kind = g_new0(gdb_kind, 1);

    kind->type = type;
    kind->registers = g_array_new(FALSE, TRUE, sizeof(gdb_register));
    add_described(kind->registers, type);
    if (!program)
        add_system(kind->registers, type);
    else if (has_tls(type->gdb))
        add_tls(kind->registers, type);
    g_array_sort(kind->registers, compare_numbers);
    kind->description = make_xml(kind->registers, type->gdb, program);
    return kind;
}

void gdb_kind_free(void *kind_of)
{
    gdb_kind *kind = kind_of;

    g_array_unref(kind->registers);
    g_free(kind->description);
    g_free(kind);
}

/* The first processor of the cluster. */
static pb_vcpu *first_of(const pb_gdb *gdb, uint32_t cluster)
{
    uint32_t i = 0;

    while (pb_vcpu_cluster(pb_cpus_at(gdb->host.cpus, i)) != cluster)
        i++;
    return pb_cpus_at(gdb->host.cpus, i);
}

bool gdb_describe(pb_gdb *gdb, GError **error)
{
    if (pb_cpus_count(gdb->host.cpus) == 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "gdb: the machine has no processor");
        return false;
    }
    for (uint32_t i = 0; i < pb_cpus_count(gdb->host.cpus); i++) {
        const pb_vcpu *vcpu = pb_cpus_at(gdb->host.cpus, i);
        const pb_cpu_type *type = vcpu->type;
        bool suits = type->slots == first_of(gdb, pb_vcpu_cluster(vcpu))->type->slots;

        if (!suits || !PB_CPU_HAS(type, gdb) || !type->gdb) {
            g_set_error(
                error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                suits ? "gdb: cpu type '%s' has no description for debuggers"
                      : "gdb: '%s' is another kind of processor than the first of its cluster",
                type->head.name);
            return false;
        }
        if (!gdb_kind_of(gdb, vcpu))
            g_ptr_array_add(gdb->kinds, describe(type, gdb->host.program != NULL));
    }
    return true;
}

/* ---- values -------------------------------------------------------------------------------------------- */

void gdb_read_register(pb_vcpu *vcpu, const gdb_register *r, uint8_t bytes[16])
{
    uint64_t value;

    memset(bytes, 0, 16);
    if (r->slot) {
        memcpy(bytes, (const char *)vcpu->state + r->slot->offset, r->bytes);
        return;
    }
    value = r->made->read(vcpu);
    memcpy(bytes, &value, r->bytes);
}

void gdb_write_register(pb_gdb *gdb, pb_vcpu *vcpu, const gdb_register *r, const uint8_t *bytes)
{
    uint64_t value = 0;

    if (r->slot) {
        memcpy((char *)vcpu->state + r->slot->offset, bytes, r->bytes);
    } else if (r->made->write) {
        memcpy(&value, bytes, r->bytes);
        r->made->write(vcpu, value);
    }
    gdb->wrote |= UINT64_C(1) << (vcpu->index % 64);
}

bool gdb_registers_settle(pb_gdb *gdb)
{
    bool ok = true;

    for (uint32_t i = 0; gdb->wrote && i < pb_cpus_count(gdb->host.cpus); i++)
        if (gdb->wrote >> (i % 64) & 1)
            ok &= pb_debug_wrote(pb_cpus_at(gdb->host.cpus, i), NULL);
    gdb->wrote = 0;
    return ok;
}
