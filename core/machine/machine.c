/* The life of a machine: see machine.h. */
#include <core/ir/translate.h>
#include <core/machine/internal.h>
#include <core/tc/tc.h>
#include <core/trace/trace.h>
#include <patchbay/fp.h>
#include <string.h>
#include <sys/random.h>

/* The calendar of deterministic machines that are not told another: 2024-01-01 00:00 UTC. */
#define DEFAULT_EPOCH INT64_C(1704067200)

G_DEFINE_QUARK(pb - machine - error - quark, pb_machine_error)

machine_part *machine_part_of(const pb_machine *machine, const pb_instance *instance)
{
    machine_part *part = g_hash_table_lookup(machine->by_instance, instance);

    g_assert(part);
    return part;
}

/* ---- what instances ask of their machine ----------------------------------------------------- */

static void env_log(void *opaque, const pb_instance *instance, uint32_t kind, const char *text)
{
    pb_trace_object(pb_instance_path(instance), kind, text);
}

static bool env_trace_enabled(void *opaque, const pb_instance *instance, const char *event)
{
    return pb_trace_event_on(event);
}

static void env_trace(void *opaque, const pb_instance *instance, const char *event,
                      const char *text)
{
    pb_trace_event(pb_instance_path(instance), event, text);
}

static pb_sched *sched_of(pb_object *object)
{
    return ((pb_machine *)pb_instance_env(pb_instance_of(object))->opaque)->sched;
}

static pb_bus *bus_of(pb_object *object)
{
    return ((pb_machine *)pb_instance_env(pb_instance_of(object))->opaque)->bus;
}

static const void *env_extension(void *opaque, pb_instance *instance, const char *id)
{
    const pb_machine *machine = opaque;

    if (strcmp(id, PB_EXTENSION_MAIN_LOOP) == 0)
        return pb_sched_main_loop_ops(sched_of);
    if (strcmp(id, PB_EXTENSION_TRANSLATE) == 0)
        return &pb_translate_ops_table;
    if (strcmp(id, PB_EXTENSION_TC) == 0)
        return pb_tc_ops_of(bus_of);
    if (strcmp(id, PB_EXTENSION_CODEGEN) == 0)
        return &machine_codegens;
    if (strcmp(id, PB_EXTENSION_ACCEL) == 0)
        return &machine_accels;
    if (strcmp(id, PB_FP_EXTENSION) == 0)
        return &pb_fp_ops_table;
    if (strcmp(id, PB_EXTENSION_MACHINE) == 0)
        return &machine_services;
    return machine->extras ? machine->extras->extension(machine->extras->opaque, id) : NULL;
}

static void env_request(void *opaque, pb_instance *instance, uint32_t request, int32_t status)
{
    pb_machine *machine = opaque;

    if (request == PB_MACHINE_RESET && !machine->plan->run.reboot)
        pb_sched_request(machine->sched, PB_MACHINE_POWER_OFF, 0);
    else
        pb_sched_request(machine->sched, (pb_machine_request)request, status);
}

static pb_timer *env_timer_new(void *opaque, pb_instance *instance, const char *name,
                               void (*expired)(void *self), void *self)
{
    return pb_sched_timer_new(((pb_machine *)opaque)->sched, expired, self);
}

static void env_timer_free(void *opaque, pb_timer *timer)
{
    pb_sched_timer_free(timer);
}

static bool env_lock_held(void *opaque)
{
    return pb_sched_devices_locked(((pb_machine *)opaque)->sched);
}

static const pb_object_env env_template = {
    .log = env_log,
    .trace_enabled = env_trace_enabled,
    .trace = env_trace,
    .extension = env_extension,
    .request = env_request,
    .timer_new = env_timer_new,
    .timer_free = env_timer_free,
    .region_map = machine_region_map,
    .region_place = machine_region_place,
    .region_bytes = machine_region_bytes,
    .region_romd = machine_region_romd,
    .region_changed = machine_region_changed,
    .lock_held = env_lock_held,
};

/* ---- building -------------------------------------------------------------------------------- */

/* Put the place in the machine file and the part before an error's text, which may begin with the
 * part. */
static bool at_place(GError **error, pb_mark mark, const char *path)
{
    g_autofree char *prefix = g_strconcat(path, ": ", NULL);

    if (error && !g_str_has_prefix((*error)->message, prefix))
        g_prefix_error(error, "%s", prefix);
    if (mark.file && mark.line)
        g_prefix_error(error, "%s:%u:%u: ", mark.file, mark.line, mark.column);
    return false;
}

static int64_t wall_base(const pb_plan_run *run)
{
    if (run->epoch && strcmp(run->epoch, "host") != 0)
        return g_ascii_strtoll(run->epoch, NULL, 0);
    return run->threads == PB_THREADS_PARALLEL ? PB_WALL_HOST : DEFAULT_EPOCH;
}

static void make_rng_seed(pb_machine *machine)
{
    const pb_plan_run *run = &machine->plan->run;
    bool fixed =
        run->seed ? strcmp(run->seed, "host") != 0 : run->threads == PB_THREADS_ROUND_ROBIN;
    gsize length = sizeof(machine->rng_seed);
    g_autoptr(GChecksum) checksum = NULL;

    if (!fixed && getrandom(machine->rng_seed, length, 0) == (ssize_t)length)
        return;
    checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)(run->seed ? run->seed : "0"), -1);
    g_checksum_get_digest(checksum, machine->rng_seed, &length);
}

static void make_frame(pb_machine *machine)
{
    const pb_plan *plan = machine->plan;
    const pb_sched_config config = { .threads = (pb_threads)plan->run.threads,
                                     .wall_base_s = wall_base(&plan->run),
                                     .ns_per_insn = plan->run.ns_per_instruction,
                                     .signals = true };
    const pb_space_rules rules = { .unassigned = (uint8_t)plan->bus.unassigned,
                                   .wrong_size = (uint8_t)plan->bus.wrong_size,
                                   .rom_write_error = plan->bus.rom_writes != 0,
                                   .log = pb_trace_wants(PB_LOG_ITEM_GUEST) };

    machine->sched = pb_sched_new(&config);
    machine->bus = pb_bus_new(machine->sched);
    machine->root = pb_bus_region_new_container(machine->bus, "memory", 0);
    machine->memory = pb_space_new(machine->bus, "memory", machine->root, &rules);
    machine->cpus = pb_cpus_new(machine->sched, machine->memory);
    machine->env = env_template;
    machine->env.opaque = machine;
}

static void bus_log(void *opaque, const char *text)
{
    pb_trace_object("bus", PB_LOG_GUEST, text);
}

static bool set_properties(machine_part *part, GError **error)
{
    for (unsigned i = 0; i < part->plan->props->len; i++) {
        const pb_plan_prop *prop = &g_array_index(part->plan->props, pb_plan_prop, i);

        if (!pb_instance_set_list(part->instance, prop->row->name, (const char *const *)prop->texts,
                                  g_strv_length(prop->texts), NULL, error))
            return at_place(error, prop->mark, part->plan->path);
    }
    return pb_instance_settle_properties(part->instance, error) ||
           at_place(error, part->plan->mark, part->plan->path);
}

_Static_assert(PB_PLAN_CLUSTERS <= PB_MOST_CLUSTERS, "numbers of clusters");

static machine_part *make_part(pb_machine *machine, const pb_plan_part *plan, GError **error)
{
    const pb_class *class = pb_plugin_host_type(machine->host, plan->kind, plan->type, error);
    machine_part *part;
    void *memory = NULL;

    if (!class) {
        at_place(error, plan->type_mark, plan->path);
        return NULL;
    }
    part = g_new0(machine_part, 1);
    part->machine = machine;
    part->plan = plan;
    part->class = class;
    part->dmas = g_ptr_array_new_with_free_func((GDestroyNotify)pb_dma_free);
    if (plan->kind == PB_KIND_CPU) {
        part->vcpu = pb_cpus_add(machine->cpus, (const pb_cpu_type *)class);
        pb_vcpu_set_cluster(part->vcpu, plan->cluster);
        memory = part->vcpu->state;
    }
    part->instance = pb_instance_new(class, plan->path, &machine->env, memory);
    if (part->vcpu)
        part->vcpu->object = pb_instance_object(part->instance);
    g_ptr_array_add(machine->parts, part);
    g_hash_table_insert(machine->by_instance, part->instance, part);
    g_hash_table_insert(machine->by_path, plan->path, part);
    return set_properties(part, error) ? part : NULL;
}

static bool make_parts(pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < machine->plan->parts->len; i++) {
        if (!make_part(machine, g_ptr_array_index(machine->plan->parts, i), error))
            return false;
    }
    if (machine->plan->accel)
        machine->accel = make_part(machine, machine->plan->accel, error);
    return !machine->plan->accel || machine->accel;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static bool find_end(const pb_machine *machine, const pb_plan_part *plan, const pb_port *described,
                     uint32_t index, pb_port_ref *ref, GError **error)
{
    const machine_part *part = g_hash_table_lookup(machine->by_path, plan->path);

    *ref =
        (pb_port_ref){ part->instance, pb_class_port(part->class, described->name, error), index };
    return ref->port != NULL;
}

static bool connect_wires(pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < machine->plan->wires->len; i++) {
        const pb_plan_wire *wire = &g_array_index(machine->plan->wires, pb_plan_wire, i);
        pb_port_ref from, to, peer;
        bool ok = find_end(machine, wire->from, wire->from_port, wire->from_index, &from, error) &&
                  find_end(machine, wire->to, wire->to_port, wire->to_index, &to, error);

        if (ok && pb_instance_peer(&from, &peer))
            ok = pb_instance_split(&from, &to, error);
        else if (ok)
            ok = pb_instance_connect(&from, &to, error);
        if (!ok)
            return at_place(error, wire->mark, wire->from->path);
    }
    return true;
}

/* Time and memory come from the machine, unless they were wired. */
static bool give(machine_part *part, const pb_port *port, uint32_t index, GError **error)
{
    pb_machine *machine = part->machine;
    const pb_port_ref ref = { part->instance, port, index };
    pb_port_ref peer;
    void *handle;

    if (pb_instance_peer(&ref, &peer))
        return true;
    if (strcmp(port->protocol, PB_PROTOCOL_CLOCK) == 0) {
        handle = pb_sched_clock(machine->sched);
    } else if (strcmp(port->protocol, PB_PROTOCOL_DMA) == 0) {
        handle = pb_dma_new(machine->memory, pb_bus_requester(machine->bus));
        g_ptr_array_add(part->dmas, handle);
    } else {
        return true;
    }
    return pb_instance_give(&ref, handle, error) ||
           at_place(error, part->plan->mark, part->plan->path);
}

static bool give_part(machine_part *part, GError **error)
{
    for (const pb_port *port = part->class->ports; port && port->name; port++) {
        uint32_t count = pb_instance_port_count(part->instance, port);

        for (uint32_t n = 0; port->role == PB_REQUIRES && n < count; n++) {
            if (!give(part, port, n, error))
                return false;
        }
    }
    return true;
}

static bool give_all(pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < machine->parts->len; i++) {
        if (!give_part(g_ptr_array_index(machine->parts, i), error))
            return false;
    }
    return true;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Backends, or all others. */
static bool init_some(pb_machine *machine, bool backends, GError **error)
{
    for (unsigned i = 0; i < machine->parts->len; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);

        if ((part->plan->kind == PB_KIND_BACKEND) != backends)
            continue;
        if (!machine_part_ram(part, error) || !pb_instance_init(part->instance, error))
            return at_place(error, part->plan->mark, part->plan->path);
    }
    return true;
}

/* Backends come first, so that the others can use them in their init: a flash reads its contents. */
static bool init_parts(pb_machine *machine, GError **error)
{
    if (!init_some(machine, true, error) || !init_some(machine, false, error))
        return false;
    pb_sched_quiesce(
        machine->sched); /* what they began is done before anything runs or is loaded */
    pb_bus_begin(machine->bus);
    for (unsigned i = 0; i < machine->parts->len; i++)
        machine_part_regions(g_ptr_array_index(machine->parts, i));
    pb_bus_commit(machine->bus);
    return true;
}

static bool start_accel(pb_machine *machine, GError **error)
{
    if (pb_cpus_count(machine->cpus) == 0)
        return true;
    if (!machine->accel) {
        g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_BUILD,
                    "the machine has no accelerator: give one with --accel or in 'accel:'");
        return false;
    }
    machine->started = pb_cpus_start(machine->cpus, (const pb_accel_type *)machine->accel->class,
                                     pb_instance_self(machine->accel->instance), error);
    return machine->started || at_place(error, machine->accel->plan->mark, "accel");
}

void pb_machine_stop_accel(pb_machine *machine)
{
    pb_cpus_stop(machine->cpus);
    machine->started = false;
}

typedef bool (*loader_step)(void *self, pb_error *error);

/* One step of all loaders: prepare or place. */
static bool loaders(pb_machine *machine, bool place, GError **error)
{
    for (unsigned i = 0; i < machine->parts->len; i++) {
        machine_part *part = g_ptr_array_index(machine->parts, i);
        const pb_loader_type *type = (const pb_loader_type *)part->class;
        pb_error why = PB_ERROR_INIT;
        loader_step step;

        if (part->plan->kind != PB_KIND_LOADER)
            continue;
        step = place ? type->place : type->prepare;
        if (step && !step(pb_instance_self(part->instance), &why)) {
            g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_LOAD, "%s: %s", part->plan->path,
                        why.text);
            return false;
        }
    }
    return true;
}

static bool build(pb_machine *machine, GError **error)
{
    make_frame(machine);
    pb_bus_set_log(machine->bus, bus_log, machine);
    make_rng_seed(machine);
    pb_trace_watch_units();
    pb_bus_begin(machine->bus);
    if (!machine_memories(machine, error)) {
        pb_bus_commit(machine->bus);
        return false;
    }
    pb_bus_commit(machine->bus);
    return make_parts(machine, error) && connect_wires(machine, error) &&
           give_all(machine, error) && init_parts(machine, error) && start_accel(machine, error);
}

pb_machine *pb_machine_new(const pb_plan *plan, pb_plugin_host *host, GError **error)
{
    return pb_machine_new_with(plan, host, NULL, error);
}

pb_machine *pb_machine_new_with(const pb_plan *plan, pb_plugin_host *host,
                                const pb_machine_extras *extras, GError **error)
{
    pb_machine *machine = g_new0(pb_machine, 1);

    machine->plan = plan;
    machine->host = host;
    machine->extras = extras;
    machine->parts = g_ptr_array_new();
    machine->codegens = g_ptr_array_new_with_free_func((GDestroyNotify)pb_instance_free);
    machine->codegen_types = g_ptr_array_new_with_free_func(g_free);
    machine->by_instance = g_hash_table_new(NULL, NULL);
    machine->by_path = g_hash_table_new(g_str_hash, g_str_equal);
    machine->memories = g_array_new(FALSE, FALSE, sizeof(machine_memory));
    machine->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    machine->mapped = g_ptr_array_new_with_free_func((GDestroyNotify)g_mapped_file_unref);
    machine_forget_claims(machine);
    if (build(machine, error))
        return machine;
    pb_machine_free(machine);
    return NULL;
}

/* ---- reset and run --------------------------------------------------------------------------- */

void machine_reset_parts(pb_machine *machine)
{
    pb_bus_begin(machine->bus);
    for (uint32_t i = 0; i < pb_cpus_count(machine->cpus); i++)
        pb_vcpu_reset(pb_cpus_at(machine->cpus, i), true);
    for (unsigned i = 0; i < machine->parts->len; i++)
        pb_instance_reset(((machine_part *)g_ptr_array_index(machine->parts, i))->instance);
    for (unsigned i = 0; i < machine->parts->len; i++)
        pb_instance_settle_lines(((machine_part *)g_ptr_array_index(machine->parts, i))->instance);
    pb_bus_commit(machine->bus);
}

bool machine_prepare(pb_machine *machine, GError **error)
{
    if (!machine->prepared)
        machine->prepared = loaders(machine, false, error);
    return machine->prepared;
}

/* Everything stands still, device lock held. */
static bool reset_locked(pb_machine *machine, GError **error)
{
    machine_reset_parts(machine);
    machine_forget_claims(machine);
    machine->ready = machine_prepare(machine, error) && machine_memory_files(machine, error) &&
                     loaders(machine, true, error);
    machine_rest_files(machine);
    return machine->ready;
}

bool pb_machine_reset(pb_machine *machine, GError **error)
{
    bool ok;

    pb_sched_lock_devices(machine->sched);
    ok = reset_locked(machine, error);
    pb_sched_unlock_devices(machine->sched);
    return ok;
}

/* A reset while running. */
static void reset_hook(void *opaque)
{
    pb_machine *machine = opaque;

    g_clear_error(&machine->failure);
    if (!reset_locked(machine, &machine->failure))
        pb_sched_request(machine->sched, PB_MACHINE_POWER_OFF, 1);
}

void pb_machine_count(pb_machine *machine, uint64_t first,
                      uint64_t (*fn)(void *opaque, uint64_t total), void *opaque)
{
    machine->counted = fn;
    machine->counted_opaque = opaque;
    machine->count_at = first;
}

static uint64_t counted_hook(void *opaque, uint64_t total)
{
    pb_machine *machine = opaque;

    machine->count_at = machine->counted(machine->counted_opaque, total);
    return machine->count_at;
}

int pb_machine_run(pb_machine *machine, GError **error)
{
    const pb_sched_hooks hooks = { .reset = reset_hook,
                                   .counted = machine->counted ? counted_hook : NULL,
                                   .count_at = machine->count_at,
                                   .opaque = machine };
    int status;

    if (!machine->ready && !pb_machine_reset(machine, error))
        return -1;
    pb_sched_set_hooks(machine->sched, &hooks);
    pb_vcpu_catch_traps();
    status = pb_sched_run(machine->sched);
    if (!machine->failure)
        return status;
    g_propagate_error(error, g_steal_pointer(&machine->failure));
    return -1;
}

void pb_machine_stop(pb_machine *machine, int status)
{
    pb_sched_request(machine->sched, PB_MACHINE_POWER_OFF, status);
}

/* ---- processors that come later --------------------------------------------------------------- */

/* The part of the first processor. */
static const machine_part *first_cpu(const pb_machine *machine)
{
    for (unsigned i = 0; i < machine->parts->len; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        if (part->vcpu)
            return part;
    }
    return NULL;
}

/* The device lock is held: parts are added one after the other. */
static pb_vcpu *add_cpu(pb_machine *machine, GError **error)
{
    const machine_part *first = first_cpu(machine);
    machine_part *part;

    g_assert(first);
    if (pb_cpus_is_full(machine->cpus)) {
        g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_BUILD, "%u processors are too many",
                    pb_cpus_count(machine->cpus) + 1);
        return NULL;
    }
    part = make_part(machine, first->plan, error);
    /* Who looks for the path finds the first one. */
    g_hash_table_insert(machine->by_path, first->plan->path, (gpointer)first);
    if (!part || !give_part(part, error) || !pb_instance_init(part->instance, error))
        return NULL;
    pb_vcpu_reset(part->vcpu, true);
    pb_instance_reset(part->instance);
    return pb_cpus_start_one(part->vcpu, error) ? part->vcpu : NULL;
}

pb_vcpu *pb_machine_take_cpu(pb_machine *machine, GError **error)
{
    pb_vcpu *vcpu = pb_cpus_take_back(machine->cpus);

    if (vcpu)
        return vcpu;
    pb_sched_lock_devices(machine->sched);
    vcpu = add_cpu(machine, error);
    pb_sched_unlock_devices(machine->sched);
    return vcpu;
}

void pb_machine_give_cpu(pb_machine *machine, pb_vcpu *vcpu)
{
    pb_cpus_put_aside(vcpu);
}

/* ---- taking down ----------------------------------------------------------------------------- */

static void finish_parts(pb_machine *machine)
{
    for (unsigned i = machine->parts->len; i > 0; i--)
        pb_instance_finish(((machine_part *)g_ptr_array_index(machine->parts, i - 1))->instance);
}

static void free_parts(pb_machine *machine)
{
    pb_bus_begin(machine->bus);
    for (unsigned i = machine->parts->len; i > 0; i--)
        machine_part_free_regions(g_ptr_array_index(machine->parts, i - 1));
    pb_bus_commit(machine->bus);
    for (unsigned i = machine->parts->len; i > 0; i--) {
        machine_part *part = g_ptr_array_index(machine->parts, i - 1);

        pb_instance_free(part->instance);
        g_ptr_array_unref(part->dmas);
        g_free(part);
    }
    g_ptr_array_unref(machine->parts);
}

static void free_memories(pb_machine *machine)
{
    for (unsigned i = 0; i < machine->memories->len; i++) {
        machine_memory *memory = &g_array_index(machine->memories, machine_memory, i);

        pb_bus_region_remove(memory->bus);
        pb_bus_region_unref(memory->bus);
        pb_ram_unref(memory->ram);
    }
    g_array_unref(machine->memories);
}

void pb_machine_free(pb_machine *machine)
{
    if (!machine)
        return;
    if (machine->started)
        pb_cpus_stop(machine->cpus);
    pb_sched_quiesce(machine->sched); /* workers use what backends are about to close */
    finish_parts(machine);
    free_parts(machine);
    g_ptr_array_unref(machine->codegens);
    g_ptr_array_unref(machine->codegen_types);
    free_memories(machine);
    pb_cpus_free(machine->cpus);
    pb_space_free(machine->memory);
    pb_bus_region_unref(machine->root);
    pb_bus_free(machine->bus);
    pb_sched_free(machine->sched);
    g_hash_table_unref(machine->by_instance);
    g_hash_table_unref(machine->by_path);
    g_array_unref(machine->claims);
    g_ptr_array_unref(machine->files);
    g_ptr_array_unref(machine->mapped);
    g_clear_pointer(&machine->tree, g_bytes_unref);
    g_clear_error(&machine->failure);
    g_free(machine);
}

/* ---- looking at it --------------------------------------------------------------------------- */

const pb_plan *pb_machine_plan(const pb_machine *machine)
{
    return machine->plan;
}
pb_sched *pb_machine_sched(const pb_machine *machine)
{
    return machine->sched;
}
pb_cpus *pb_machine_cpus(const pb_machine *machine)
{
    return machine->cpus;
}
pb_space *pb_machine_memory(const pb_machine *machine)
{
    return machine->memory;
}
pb_bus_region *pb_machine_root(const pb_machine *machine)
{
    return machine->root;
}

void pb_machine_statistics(pb_machine *machine,
                           void (*line)(void *opaque, const char *name, uint64_t value),
                           void *opaque)
{
    const pb_accel_type *accel =
        machine->accel ? (const pb_accel_type *)machine->accel->class : NULL;
    uint64_t retired = 0;

    for (uint32_t i = 0; i < pb_cpus_count(machine->cpus); i++)
        retired += pb_cpus_at(machine->cpus, i)->retired;
    if (!accel || !PB_ACCEL_HAS(accel, counts) || !accel->counts ||
        accel->counts(pb_instance_self(machine->accel->instance)))
        line(opaque, "instructions", retired);
    if (accel && accel->statistics)
        accel->statistics(pb_instance_self(machine->accel->instance), line, opaque);
}
