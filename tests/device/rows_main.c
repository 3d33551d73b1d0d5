/*
 * usage: device-rows PLUGIN...
 *
 * Tests that every device type of a plugin has for nothing, from its rows: reset values, read-only and reserved bits,
 * write-one-to-clear and its kin, state that survives saving. One case a register.
 *
 * A register with hooks does as its hooks say, so for these only what no hook can change is tested: bits above
 * the width, and a declared reset value. Values are put into storage directly where no guest access could.
 */
#include "fake_machine.h"

#include <core/device/tables.h>
#include <inttypes.h>
#include <plugins/preloaded.h>
#include <stdlib.h>

#define MAX_ELEMENTS 4 /* of an array register that are tested */

typedef struct context {
    pb_plugin_host *host;
    const pb_plugin *plugin;
    const pb_class *class;
    unsigned passed, failed;

    fake_machine *machine;
    pb_instance *instance;
    uint32_t region;
    const pb_reg *reg;
    uint32_t element;
} context;

static G_GNUC_PRINTF(2, 3) bool wrong(const context *c, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    printf("%s: %s: %s%s%s\n", c->plugin->id, c->class->name, c->reg ? c->reg->name : "",
           c->reg ? ": " : "", text);
    return false;
}

/* ---- machines ------------------------------------------------------------------------------------ */

static bool start(context *c)
{
    g_autoptr(GError) error = NULL;

    c->machine = fake_machine_new(c->host);
    c->instance = fake_machine_add(c->machine, c->class, "device");
    if (fake_machine_fill_properties(c->machine, c->instance, &error) &&
        pb_instance_settle_properties(c->instance, &error) &&
        fake_machine_start(c->machine, true, &error))
        return true;
    return wrong(c, "%s", error->message);
}

static void stop(context *c)
{
    fake_machine_free(c->machine);
    c->machine = NULL;
}

/* ---- one register -------------------------------------------------------------------------------- */

/* Bits of the register by mode, as its rows say. */
static uint64_t bits_of(const pb_reg *reg, uint32_t mode)
{
    uint64_t rest = pb_bits_mask(reg->width), bits = 0;

    for (const pb_field *field = reg->fields; field && field->name; field++) {
        uint64_t mask = pb_bits_mask(field->width) << field->lsb;

        rest &= ~mask;
        if (pb_field_mode(reg, field) == mode)
            bits |= mask;
    }
    return bits | (reg->mode == mode ? rest : 0);
}

static uint64_t readable(const pb_reg *reg)
{
    return pb_bits_mask(reg->width) & ~bits_of(reg, PB_WO) & ~bits_of(reg, PB_RAZ_WI);
}

static uint64_t write_mask(const pb_reg *reg)
{
    return reg->write_mask ? reg->write_mask : pb_bits_mask(reg->width);
}

static uint32_t access_bytes(const context *c)
{
    const pb_region *region = pb_instance_region(c->instance, c->region);

    return MAX(pb_reg_bytes(c->reg), region->access_min);
}

static uint64_t offset_of(const context *c)
{
    return c->reg->offset + (uint64_t)c->element * pb_reg_stride(c->reg);
}

static bool get(const context *c, uint64_t *value)
{
    pb_bus_result result =
        fake_machine_read(c->machine, c->instance, c->region, offset_of(c), access_bytes(c), value);

    return result == PB_BUS_OK || wrong(c, "bus error %d at a read", result);
}

static bool set(const context *c, uint64_t value)
{
    uint32_t bytes = access_bytes(c);
    pb_bus_result result = fake_machine_write(c->machine, c->instance, c->region, offset_of(c),
                                              bytes, value & pb_bits_mask(8 * bytes));

    return result == PB_BUS_OK || wrong(c, "bus error %d at a write", result);
}

static bool expect(const context *c, uint64_t wanted, const char *when)
{
    uint64_t value;

    if (!get(c, &value))
        return false;
    return value == wanted || wrong(c, "[%u] is 0x%" PRIx64 " %s, expected 0x%" PRIx64, c->element,
                                    value, when, wanted);
}

static void poke(const context *c, uint64_t value)
{
    char *member = (char *)pb_instance_self(c->instance) + c->reg->store_offset - 1;

    pb_store_uint(member + (size_t)c->element * c->reg->element, c->reg->element,
                  value & pb_bits_mask(c->reg->width));
}

/* What a value must be after ones were written to `pattern`, by the modes. */
static uint64_t after_write(const pb_reg *reg, uint64_t before, uint64_t pattern)
{
    uint64_t mask = write_mask(reg);
    uint64_t plain = mask & (bits_of(reg, PB_RW) | bits_of(reg, PB_WO));

    before = (before & ~plain) | (pattern & plain);
    before &= ~(pattern & mask & bits_of(reg, PB_W1C));
    return before | (pattern & mask & bits_of(reg, PB_W1S));
}

static bool test_pattern(const context *c, uint64_t before, uint64_t pattern, const char *when)
{
    uint64_t rc = bits_of(c->reg, PB_RC), after = after_write(c->reg, before, pattern);

    poke(c, before);
    return set(c, pattern) && expect(c, after & readable(c->reg), when) &&
           expect(c, after & readable(c->reg) & ~rc, "when it is read again");
}

/* A register that is nothing but its storage. */
static bool test_plain(const context *c)
{
    uint64_t ones = pb_bits_mask(c->reg->width);

    return test_pattern(c, 0, UINT64_MAX, "after ones were written to zeros") &&
           test_pattern(c, ones, 0, "after zeros were written to ones") &&
           test_pattern(c, ones, UINT64_MAX, "after ones were written to ones") &&
           test_pattern(c, UINT64_C(0xa5a5a5a5a5a5a5a5) & ones, UINT64_C(0x5a5a0ff05a5a0ff0),
                        "after a pattern was written");
}

static bool has_read_hook(const pb_reg *reg)
{
    return reg->read || reg->read_at;
}

static bool has_hook(const pb_reg *reg)
{
    return has_read_hook(reg) || reg->write || reg->write_at;
}

/* Whether a row of the other direction has the same address. */
static bool shares_address(const context *c)
{
    for (const pb_reg *reg = pb_instance_region(c->instance, c->region)->regs; reg->name; reg++)
        if (reg != c->reg && reg->offset < pb_reg_end(c->reg) && c->reg->offset < pb_reg_end(reg))
            return true;
    return false;
}

/* Of an array with a hook, the row's reset value is that of the first element. */
static bool test_element(const context *c)
{
    const pb_reg *reg = c->reg;
    uint64_t value;

    if (!has_read_hook(reg) || (reg->reset && !c->element))
        if (!expect(c, reg->reset & readable(reg), "after reset"))
            return false;
    if (shares_address(c))
        return true;
    if (!has_hook(reg) && reg->store_offset)
        return test_plain(c);
    if (!has_hook(reg))
        return set(c, UINT64_MAX) &&
               expect(c, reg->reset & readable(reg), "after a write that it ignores");
    if (!set(c, UINT64_MAX) || !get(c, &value))
        return false;
    return !(value & ~pb_bits_mask(reg->width)) ||
           wrong(c, "0x%" PRIx64 " has bits above its %u", value, reg->width);
}

static bool test_register(context *c)
{
    bool ok = true;

    for (c->element = 0; ok && c->element < MIN(pb_reg_count(c->reg), MAX_ELEMENTS); c->element++) {
        ok = start(c) && test_element(c);
        stop(c);
    }
    return ok;
}

/* ---- one type ------------------------------------------------------------------------------------ */

/* State of a machine that was only reset is the same in every machine, and survives. */
static bool test_state(context *c)
{
    g_autoptr(GVariant) saved = NULL;
    g_autoptr(GVariant) again = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    bool ok;

    c->reg = NULL;
    ok = start(c);
    if (ok)
        saved = g_variant_ref_sink(pb_instance_save(c->instance));
    stop(c);
    ok = ok && start(c);
    if (ok) {
        ok = pb_instance_load(c->instance, saved, &error) || wrong(c, "%s", error->message);
        again = g_variant_ref_sink(pb_instance_save(c->instance));
        if (ok && pb_state_compare(saved, again, "state", text))
            ok = wrong(c, "differs after loading: %s", text->str);
    }
    stop(c);
    return ok;
}

static void count(context *c, bool ok)
{
    c->passed += ok;
    c->failed += !ok;
}

static void test_type(context *c)
{
    const pb_device_type *device = pb_class_device(c->class);

    count(c, test_state(c));
    for (c->region = 0; device->regions && device->regions[c->region].name; c->region++)
        for (c->reg = device->regions[c->region].regs; c->reg && c->reg->name; c->reg++)
            count(c, test_register(c));
}

int main(int argc, char **argv)
{
    context c = { 0 };

    pb_plugin_host_preload(pb_preloaded_plugins);
    c.host = pb_plugin_host_new(NULL);
    for (int i = 1; i < argc; i++) {
        g_autoptr(GError) error = NULL;

        c.plugin = pb_plugin_host_open(c.host, argv[i], &error);
        if (!c.plugin) {
            printf("%s\n", error->message);
            c.failed++;
            continue;
        }
        for (const pb_class *const *class = c.plugin->types; *class; class ++) {
            c.class = *class;
            test_type(&c);
        }
    }
    pb_plugin_host_free(c.host);
    printf("%u passed, %u failed\n", c.passed, c.failed);
    return c.failed || !c.passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
