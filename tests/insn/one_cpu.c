#include "one_cpu.h"

#include <core/device/object.h>
#include <core/ir/translate.h>
#include <core/plugin/plugin_host.h>
#include <core/tc/tc.h>
#include <patchbay/codegen.h>
#include <patchbay/fp.h>

struct one_cpu {
    pb_plugin_host *plugins;
    pb_sched *sched;
    pb_bus *bus;
    pb_ram *ram;
    pb_bus_region *root, *ram_region;
    pb_space *space;
    pb_cpus *cpus;
    pb_vcpu *vcpu;
    pb_instance *cpu, *accel, *codegen;
    pb_object_env env;
    GString *log;
    uint64_t ram_gpa;
    uint64_t wanted; /* instructions to execute before the run ends */
    uint64_t until;  /* guest address of a word that ends the run when it is not 0 */
};

/* ---- what instances ask of their machine ----------------------------------------------------- */

static void env_log(void *opaque, const pb_instance *instance, uint32_t kind, const char *text)
{
    one_cpu *m = opaque;

    g_string_append_printf(m->log, "%s: %s\n", pb_instance_path(instance), text);
}

static one_cpu *machine_of(pb_object *object)
{
    return pb_instance_env(pb_instance_of(object))->opaque;
}

static pb_bus *bus_of(pb_object *object)
{
    return machine_of(object)->bus;
}

static bool set_all(pb_instance *instance, char *const *settings, GError **error)
{
    for (; settings && *settings; settings++) {
        g_auto(GStrv) words = g_strsplit(*settings, "=", 2);

        if (!pb_instance_set(instance, words[0], words[1], error))
            return false;
    }
    return true;
}

/* The generator of an accelerator that emits code, with properties "name=value,name=value". */
static void *open_codegen(pb_object *object, const char *name, const char *properties,
                          const pb_codegen_type **type, pb_error *error)
{
    one_cpu *m = machine_of(object);
    g_autoptr(GError) why = NULL;
    g_auto(GStrv) settings = g_strsplit_set(properties ? properties : "", ",:", 0);
    const pb_class *class =
        pb_plugin_host_type(m->plugins, PB_KIND_CODEGEN, name && *name ? name : "x86_64", &why);

    if (class)
        m->codegen = pb_instance_new(class, "codegen", &m->env, NULL);
    if (!m->codegen || !set_all(m->codegen, settings, &why) ||
        !pb_instance_settle_properties(m->codegen, &why) || !pb_instance_init(m->codegen, &why)) {
        pb_fail(error, "%s", why->message);
        return NULL;
    }
    *type = (const pb_codegen_type *)class;
    return pb_instance_self(m->codegen);
}

static bool always(pb_object *object)
{
    return true;
}

static const pb_codegen_ops codegens = {
    .size = sizeof(pb_codegen_ops),
    .open = open_codegen,
    .counted = always,
};

static const void *env_extension(void *opaque, pb_instance *instance, const char *id)
{
    if (!strcmp(id, PB_EXTENSION_TRANSLATE))
        return &pb_translate_ops_table;
    if (!strcmp(id, PB_EXTENSION_TC))
        return pb_tc_ops_of(bus_of);
    if (!strcmp(id, PB_EXTENSION_CODEGEN))
        return &codegens;
    return strcmp(id, PB_FP_EXTENSION) ? NULL : &pb_fp_ops_table;
}

static void env_request(void *opaque, pb_instance *instance, uint32_t request, int32_t status)
{
    one_cpu *m = opaque;

    pb_sched_request(m->sched, request, status);
}

static pb_timer *env_timer_new(void *opaque, pb_instance *instance, const char *name,
                               void (*expired)(void *self), void *self)
{
    one_cpu *m = opaque;

    return pb_sched_timer_new(m->sched, expired, self);
}

static void env_timer_free(void *opaque, pb_timer *timer)
{
    pb_sched_timer_free(timer);
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool make_memory(one_cpu *m, uint64_t ram_bytes, GError **error)
{
    m->bus = pb_bus_new(m->sched);
    m->ram = pb_ram_new(m->bus, "ram", ram_bytes, PB_RAM_PAGES, error);
    if (!m->ram)
        return false;
    m->root = pb_bus_region_new_container(m->bus, "memory", 0);
    m->ram_region = pb_bus_region_new_ram(m->bus, "ram", m->ram, 0, ram_bytes);
    pb_bus_region_add(m->root, m->ram_region, m->ram_gpa, 0);
    m->space = pb_space_new(m->bus, "memory", m->root, NULL);
    return true;
}

static bool make_cpu(one_cpu *m, const char *cpu_type, const char *accel_type,
                     const char *const *settings, GError **error)
{
    g_auto(GStrv) words = g_strsplit(accel_type, ",", 2);
    g_auto(GStrv) accel_settings = g_strsplit(words[1] ? words[1] : "", ",", 0);
    const pb_class *cpu = pb_plugin_host_type(m->plugins, PB_KIND_CPU, cpu_type, error);
    const pb_class *accel =
        cpu ? pb_plugin_host_type(m->plugins, PB_KIND_ACCEL, words[0], error) : NULL;

    if (!accel)
        return false;
    m->cpus = pb_cpus_new(m->sched, m->space);
    m->vcpu = pb_cpus_add(m->cpus, (const pb_cpu_type *)cpu);
    m->cpu = pb_instance_new(cpu, "cpu", &m->env, m->vcpu->state);
    m->vcpu->object = pb_instance_object(m->cpu);
    m->accel = pb_instance_new(accel, "accel", &m->env, NULL);
    if (!set_all(m->cpu, (char *const *)settings, error) ||
        !set_all(m->accel, accel_settings, error) ||
        !pb_instance_settle_properties(m->cpu, error) ||
        !pb_instance_settle_properties(m->accel, error) || !pb_instance_init(m->cpu, error) ||
        !pb_instance_init(m->accel, error))
        return false;
    if (!pb_cpus_start(m->cpus, (const pb_accel_type *)accel, pb_instance_self(m->accel), error))
        return false;
    pb_vcpu_catch_traps();
    pb_sched_lock_devices(m->sched);
    pb_vcpu_reset(m->vcpu, true);
    pb_instance_reset(m->cpu);
    pb_sched_unlock_devices(m->sched);
    return true;
}

static uint64_t executed(const one_cpu *m)
{
    pb_sched_state state;

    pb_sched_state_get(m->sched, &state);
    return state.insns;
}

static uint64_t counted(void *opaque, uint64_t total)
{
    pb_sched_request(((one_cpu *)opaque)->sched, PB_MACHINE_POWER_OFF, 0);
    return 0;
}

#define LOOK_EVERY 1000 /* instructions */

static bool is_set(one_cpu *m)
{
    uint64_t word;

    memcpy(&word, one_cpu_ram(m, m->until), sizeof(word));
    return word != 0;
}

static uint64_t counted_until(void *opaque, uint64_t total)
{
    one_cpu *m = opaque;

    if (--m->wanted == 0 || is_set(m))
        pb_sched_request(m->sched, PB_MACHINE_POWER_OFF, 0);
    return total + LOOK_EVERY;
}

one_cpu *one_cpu_new(const char *cpu_type, const char *accel_type, const char *const *settings,
                     uint64_t ram_gpa, uint64_t ram_bytes)
{
    pb_sched_config config = { .threads = PB_THREADS_ROUND_ROBIN };
    g_autoptr(GError) error = NULL;
    one_cpu *m = g_new0(one_cpu, 1);

    m->log = g_string_new(NULL);
    m->ram_gpa = ram_gpa;
    m->plugins = pb_plugin_host_new(NULL);
    m->sched = pb_sched_new(&config);
    m->env = (pb_object_env){ .log = env_log,
                              .extension = env_extension,
                              .request = env_request,
                              .timer_new = env_timer_new,
                              .timer_free = env_timer_free,
                              .opaque = m };
    if (make_memory(m, ram_bytes, &error) && make_cpu(m, cpu_type, accel_type, settings, &error))
        return m;
    fprintf(stderr, "%s\n", error->message);
    one_cpu_free(m);
    return NULL;
}

void one_cpu_free(one_cpu *m)
{
    if (!m)
        return;
    pb_cpus_free(m->cpus);
    pb_instance_free(m->accel);
    pb_instance_free(m->codegen);
    pb_instance_free(m->cpu);
    pb_space_free(m->space);
    pb_bus_region_unref(m->ram_region);
    pb_bus_region_unref(m->root);
    pb_ram_unref(m->ram);
    pb_bus_free(m->bus);
    pb_sched_free(m->sched);
    pb_plugin_host_free(m->plugins);
    g_string_free(m->log, TRUE);
    g_free(m);
}

pb_vcpu *one_cpu_vcpu(one_cpu *m)
{
    return m->vcpu;
}

void *one_cpu_ram(one_cpu *m, uint64_t gpa)
{
    return pb_ram_host(m->ram) + (gpa - m->ram_gpa);
}

void one_cpu_write(one_cpu *m, uint64_t gpa, const void *bytes, uint64_t length)
{
    if (length == 0)
        return;
    memcpy(one_cpu_ram(m, gpa), bytes, length);
    pb_ram_written(m->ram, gpa - m->ram_gpa, length);
}

void one_cpu_run(one_cpu *m, uint64_t insns)
{
    pb_sched_hooks hooks = { .counted = counted, .count_at = executed(m) + insns, .opaque = m };

    pb_sched_set_hooks(m->sched, &hooks);
    pb_sched_run(m->sched);
}

bool one_cpu_run_until(one_cpu *m, uint64_t gpa, uint64_t most)
{
    pb_sched_hooks hooks = { .counted = counted_until,
                             .count_at = executed(m) + LOOK_EVERY,
                             .opaque = m };

    pb_sched_set_hooks(m->sched, &hooks);
    m->wanted = most / LOOK_EVERY + 1;
    m->until = gpa;
    pb_sched_run(m->sched);
    return is_set(m);
}

char *one_cpu_take_log(one_cpu *m)
{
    char *text = g_strdup(m->log->str);

    g_string_truncate(m->log, 0);
    return text;
}
