/*
 * vCPUs: allocation, accelerator, reset, what snapshots keep, and the table of their functions.
 */
#include <core/vcpu/internal.h>

#include <sys/mman.h>

#include <stdlib.h>

/* ---- the table ------------------------------------------------------------------------------------------- */

static uint32_t ops_count(pb_vcpu *vcpu)
{
    return pb_cpus_count(pb_vcpu_core_of(vcpu)->cpus);
}

static pb_vcpu *ops_at(pb_vcpu *vcpu, uint32_t index)
{
    return pb_cpus_at(pb_vcpu_core_of(vcpu)->cpus, index);
}

static void ops_lock_devices(pb_vcpu *vcpu)
{
    pb_sched_lock_devices(pb_vcpu_core_of(vcpu)->cpus->sched);
}

static void ops_unlock_devices(pb_vcpu *vcpu)
{
    pb_sched_unlock_devices(pb_vcpu_core_of(vcpu)->cpus->sched);
}

static pb_clock *ops_clock(pb_vcpu *vcpu)
{
    return pb_sched_clock(pb_vcpu_core_of(vcpu)->cpus->sched);
}

static const pb_vcpu_ops vcpu_ops = {
    .size = sizeof(pb_vcpu_ops),
    .load = pb_vcpu_mem_load,
    .store = pb_vcpu_mem_store,
    .rmw = pb_vcpu_rmw,
    .cas = pb_vcpu_cas,
    .ldx = pb_vcpu_ldx,
    .stx = pb_vcpu_stx,
    .translate = pb_vcpu_translate,
    .code = pb_vcpu_code,
    .phys_read = pb_vcpu_phys_read,
    .phys_write = pb_vcpu_phys_write,
    .phys_cas = pb_vcpu_phys_cas,
    .tlb_flush = pb_vcpu_tlb_flush,
    .tlb_flush_page = pb_vcpu_tlb_flush_page,
    .tlb_sync = pb_vcpu_tlb_sync,
    .code_flush = pb_vcpu_code_flush,
    .kick = pb_vcpu_kick,
    .vcpu_count = ops_count,
    .vcpu_at = ops_at,
    .run_on = pb_vcpu_run_on,
    .set_powered = pb_vcpu_set_powered,
    .powered = pb_vcpu_powered,
    .lock_devices = ops_lock_devices,
    .unlock_devices = ops_unlock_devices,
    .clock = ops_clock,
    .tlb_prepare = pb_vcpu_tlb_prepare,
    .tlb_switch = pb_vcpu_tlb_switch,
    .tlb_flush_some = pb_vcpu_tlb_flush_some,
    .tlb_fill = pb_vcpu_tlb_fill,
    .code_reads = pb_vcpu_code_reads,
    .is_beside_code = pb_vcpu_is_beside_code,
};

/* ---- all of them ----------------------------------------------------------------------------------------- */

/* The memory map changed: those who execute on other threads shall look. Its own changes a vCPU sees when the
 * MMIO access that made them returns. */
static void map_changed(void *opaque)
{
    pb_cpus *cpus = opaque;
    pb_vcpu *me = pb_vcpu_current();

    for (uint32_t i = 0; i < pb_cpus_count(cpus); i++) {
        pb_vcpu *vcpu = pb_cpus_at(cpus, i);

        if (!pb_sched_is_running(cpus->sched))
            pb_tlb_follow_map(vcpu);
        else if (vcpu != me && !pb_vcpu_is_aside(vcpu))
            pb_vcpu_kick(vcpu, PB_EXIT_WORK);
    }
}

pb_cpus *pb_cpus_new(pb_sched *sched, pb_space *memory)
{
    pb_cpus *cpus = g_new0(pb_cpus, 1);

    cpus->sched = sched;
    cpus->memory = memory;
    cpus->vcpus = g_new0(pb_vcpu *, PB_MOST_CPUS);
    cpus->aside = g_ptr_array_new();
    pthread_mutex_init(&cpus->lock, NULL);
    pthread_mutex_init(&cpus->tlb_lock, NULL);
    pb_space_listen(memory, map_changed, cpus);
    pb_bus_set_untag(pb_space_bus(memory), pb_tlb_untag, cpus);
    return cpus;
}

static size_t block_bytes(const pb_cpu_type *type)
{
    return PB_VCPU_OFFSET + PB_VCPU_STATE_OFFSET + type->head.instance_size;
}

static void vcpu_free(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pb_tlb_free(vcpu);
    pb_reader_free(core->reader);
    pthread_mutex_destroy(&core->lock);
    g_array_unref(core->calls);
    munmap(pb_vcpu_first_tlb(vcpu, 0), block_bytes(vcpu->type));
}

void pb_cpus_free(pb_cpus *cpus)
{
    if (!cpus)
        return;
    pb_cpus_stop(cpus);
    pb_bus_set_untag(pb_space_bus(cpus->memory), NULL, NULL);
    pb_space_unlisten(cpus->memory, map_changed, cpus);
    for (uint32_t i = 0; i < cpus->n_vcpus; i++)
        vcpu_free(cpus->vcpus[i]);
    pb_debug_free(cpus);
    g_free(cpus->vcpus);
    g_ptr_array_unref(cpus->aside);
    pthread_mutex_destroy(&cpus->lock);
    pthread_mutex_destroy(&cpus->tlb_lock);
    g_free(cpus);
}

/* Of pages that cost nothing until they are used: most MMU indexes never are. */
static pb_vcpu *vcpu_new(const pb_cpu_type *type)
{
    char *block =
        mmap(NULL, block_bytes(type), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (block == MAP_FAILED)
        g_error("out of memory for a vCPU of %zu bytes", block_bytes(type));
    return (pb_vcpu *)(void *)(block + PB_VCPU_OFFSET);
}

static void append(pb_cpus *cpus, pb_vcpu *vcpu)
{
    pthread_mutex_lock(&cpus->lock);
    g_assert(cpus->n_vcpus < PB_MOST_CPUS);
    vcpu->index = cpus->n_vcpus;
    cpus->vcpus[vcpu->index] = vcpu;
    __atomic_store_n(&cpus->n_vcpus, vcpu->index + 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&cpus->lock);
}

pb_vcpu *pb_cpus_add(pb_cpus *cpus, const pb_cpu_type *type)
{
    pb_vcpu *vcpu = vcpu_new(type);
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    g_autofree char *name = g_strdup_printf("vcpu%u", pb_cpus_count(cpus));

    core->cpus = cpus;
    core->reader = pb_reader_new(pb_space_bus(cpus->memory));
    core->generation = pb_space_generation(cpus->memory);
    core->calls = g_array_new(false, false, sizeof(pb_posted_call));
    pthread_mutex_init(&core->lock, NULL);
    vcpu->size = sizeof(*vcpu);
    vcpu->budget = INT64_MAX;
    vcpu->watched = cpus->watched;
    vcpu->state = pb_vcpu_state(vcpu);
    vcpu->ops = &vcpu_ops;
    vcpu->type = type;
    core->runner = pb_sched_add_runner(cpus->sched, name, &pb_vcpu_runner_ops, vcpu);
    append(cpus, vcpu);
    pb_tlb_prepare_new(vcpu); /* which was in its place when it looks */
    return vcpu;
}

void pb_vcpu_set_cluster(pb_vcpu *vcpu, uint32_t cluster)
{
    pb_vcpu_core_of(vcpu)->cluster = cluster;
}

uint32_t pb_vcpu_cluster(const pb_vcpu *vcpu)
{
    return pb_vcpu_core_of((pb_vcpu *)vcpu)->cluster;
}

bool pb_cpus_is_full(const pb_cpus *cpus)
{
    return pb_cpus_count(cpus) == PB_MOST_CPUS;
}

uint32_t pb_cpus_count(const pb_cpus *cpus)
{
    return __atomic_load_n(&cpus->n_vcpus, __ATOMIC_SEQ_CST);
}

pb_vcpu *pb_cpus_at(const pb_cpus *cpus, uint32_t index)
{
    return index < pb_cpus_count(cpus) ? cpus->vcpus[index] : NULL;
}

void pb_cpus_set_debug(pb_cpus *cpus, void (*stopped)(void *opaque, pb_vcpu *vcpu), void *opaque)
{
    cpus->debug = stopped;
    cpus->debug_opaque = opaque;
}

/* ---- accelerator ----------------------------------------------------------------------------------------- */

static void finish_accel(pb_cpus *cpus, uint32_t count)
{
    while (count-- > 0) {
        if (cpus->accel_type->vcpu_finish)
            cpus->accel_type->vcpu_finish(cpus->accel, cpus->vcpus[count]);
    }
    cpus->accel_type = NULL;
    cpus->accel = NULL;
}

static bool init_accel(pb_vcpu *vcpu, GError **error)
{
    const pb_cpus *cpus = pb_vcpu_core_of(vcpu)->cpus;
    pb_error e = PB_ERROR_INIT;

    if (!cpus->accel_type->vcpu_init || cpus->accel_type->vcpu_init(cpus->accel, vcpu, &e))
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "accelerator %s, processor %u: %s",
                cpus->accel_type->head.name, vcpu->index, e.text);
    return false;
}

bool pb_cpus_start(pb_cpus *cpus, const pb_accel_type *type, void *accel, GError **error)
{
    g_assert(!cpus->accel_type);
    cpus->accel_type = type;
    cpus->accel = accel;
    for (uint32_t i = 0; i < cpus->n_vcpus; i++) {
        if (!init_accel(cpus->vcpus[i], error)) {
            finish_accel(cpus, i);
            return false;
        }
    }
    return true;
}

bool pb_cpus_start_one(pb_vcpu *vcpu, GError **error)
{
    return !pb_vcpu_core_of(vcpu)->cpus->accel_type || init_accel(vcpu, error);
}

bool pb_cpus_fork(pb_cpus *cpus, pb_fork_phase phase, GError **error)
{
    const pb_accel_type *type = cpus->accel_type;
    pb_error e = PB_ERROR_INIT;

    if (!type || !PB_ACCEL_HAS(type, fork) || !type->fork || type->fork(cpus->accel, phase, &e))
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "accelerator %s, fork: %s",
                type->head.name, e.text);
    return false;
}

void pb_cpus_stop(pb_cpus *cpus)
{
    if (cpus->accel_type)
        finish_accel(cpus, cpus->n_vcpus);
}

/* ---- reset and snapshots --------------------------------------------------------------------------------- */

/* What the core derived from the guest's state, or was asked to do to it. */
static void forget(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pb_tlb_do_posted(vcpu);
    pb_tlb_start_anew(vcpu);
    g_array_set_size(core->calls, 0);
    core->unsynced = false;
    core->turned_off = 0;
    vcpu->unwind = 0;
    vcpu->leave_reason = 0;
}

void pb_vcpu_reset(pb_vcpu *vcpu, bool powered)
{
    pb_runner *runner = pb_vcpu_core_of(vcpu)->runner;

    forget(vcpu);
    vcpu->exclusive_bytes = 0;
    __atomic_store_n(&vcpu->exit_request, 0, __ATOMIC_SEQ_CST);
    pb_runner_set_idle(runner, false);
    pb_runner_set_powered(runner, powered);
}

void pb_cpus_put_aside(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    pthread_mutex_lock(&core->cpus->lock);
    __atomic_store_n(&core->aside, 1, __ATOMIC_SEQ_CST);
    g_ptr_array_add(core->cpus->aside, vcpu);
    pthread_mutex_unlock(&core->cpus->lock);
}

pb_vcpu *pb_cpus_take_back(pb_cpus *cpus)
{
    pb_vcpu *vcpu = NULL;

    pthread_mutex_lock(&cpus->lock);
    if (cpus->aside->len)
        vcpu = g_ptr_array_steal_index_fast(cpus->aside, cpus->aside->len - 1);
    pthread_mutex_unlock(&cpus->lock);
    if (!vcpu)
        return NULL;
    __atomic_store_n(&pb_vcpu_core_of(vcpu)->aside, 0, __ATOMIC_SEQ_CST);
    pb_vcpu_reset(vcpu, true);
    return vcpu;
}

void pb_cpus_invalidate(pb_cpus *cpus)
{
    for (uint32_t i = 0; i < cpus->n_vcpus; i++) {
        pb_vcpu *vcpu = cpus->vcpus[i];

        forget(vcpu);
        if (cpus->accel_type && cpus->accel_type->flush)
            cpus->accel_type->flush(cpus->accel, vcpu);
    }
}

void pb_cpus_settle(pb_cpus *cpus)
{
    for (uint32_t i = 0; i < cpus->n_vcpus; i++)
        pb_vcpu_runner_ops.work(cpus->vcpus[i], false);
}

void pb_vcpu_save(pb_vcpu *vcpu, pb_vcpu_saved *saved)
{
    pb_runner *runner = pb_vcpu_core_of(vcpu)->runner;

    *saved = (pb_vcpu_saved){
        .retired = vcpu->retired,
        .exclusive_gva = vcpu->exclusive_gva,
        .exclusive_gpa = vcpu->exclusive_gpa,
        .exclusive_value = vcpu->exclusive_value,
        .exclusive_bytes = vcpu->exclusive_bytes,
        .powered = pb_runner_powered(runner),
        .idle = pb_runner_idle(runner),
        .interrupt = (vcpu->exit_request & PB_EXIT_INTERRUPT) != 0,
    };
    memcpy(saved->fp, vcpu->fp, sizeof(saved->fp));
    for (uint32_t i = 0; i < G_N_ELEMENTS(saved->fp); i++)
        saved->fp[i].flags &= PB_FP_IEEE_FLAGS; /* the others are not state */
}

void pb_vcpu_load(pb_vcpu *vcpu, const pb_vcpu_saved *saved)
{
    pb_runner *runner = pb_vcpu_core_of(vcpu)->runner;

    forget(vcpu);
    vcpu->retired = saved->retired;
    vcpu->exclusive_gva = saved->exclusive_gva;
    vcpu->exclusive_gpa = saved->exclusive_gpa;
    vcpu->exclusive_value = saved->exclusive_value;
    vcpu->exclusive_bytes = saved->exclusive_bytes <= 16 ? saved->exclusive_bytes : 0;
    memcpy(vcpu->fp, saved->fp, sizeof(saved->fp));
    __atomic_store_n(&vcpu->exit_request, saved->interrupt ? PB_EXIT_INTERRUPT : 0u,
                     __ATOMIC_SEQ_CST);
    pb_runner_set_idle(runner, saved->idle);
    pb_runner_set_powered(runner, saved->powered);
}
