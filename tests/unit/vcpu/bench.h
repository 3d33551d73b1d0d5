/*
 * A machine for tests of vCPUs: RAM at 0, a device, and processors of a fake type whose accelerator "executes" by
 * calling a function of the test once an instruction.
 *
 * Virtual addresses are physical ones unless the test gives a walk of its own.
 */
#ifndef TESTS_VCPU_BENCH_H
#define TESTS_VCPU_BENCH_H

#include <core/vcpu/vcpu.h>

#include "../runner.h"

#define RAM_BYTES  UINT64_C(0x100000)
#define DEVICE     UINT64_C(0x10000000)
#define MOST_VCPUS 4

#define LOG2(n) PB_MEM_SIZE_LOG2(n)

typedef struct bench bench;

typedef struct bench_state {
    bench *b;
    uint64_t pc, executed; /* executed: atomic */
    uint32_t irq;          /* atomic: level of the interrupt input */
    uint32_t taken;        /* interrupts taken */
    uint32_t walks;
    uint64_t called; /* the last call's argument */
    void *opaque;
} bench_state;

struct bench {
    pb_sched *sched;
    pb_bus *bus;
    pb_bus_region *root;
    pb_bus_region *ram_region;
    pb_ram *ram;
    pb_space *space;
    pb_cpus *cpus;
    pb_vcpu *vcpu[MOST_VCPUS];
    uint32_t count;
    /* One instruction: 0 goes on, else a pb_run_reason. */
    uint32_t (*insn)(pb_vcpu *vcpu, bench_state *state);
    bool (*walk)(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                 pb_guest_fault *fault);
    /* The device. */
    uint64_t device_value;
    uint32_t device_reads, device_writes;
    void (*on_device_write)(bench *b, uint64_t value);
    uint32_t failures; /* atomic */
    uint32_t rounds;   /* atomic */
    uint32_t flushes;  /* all of a vCPU's translations */
    uint32_t drops;    /* those of some addresses; and which these were */
    uint64_t dropped_first, dropped_last;
};

static inline bench_state *state_of(pb_vcpu *vcpu)
{
    return pb_vcpu_state(vcpu);
}

static inline void expect(bench *b, bool good)
{
    if (!good)
        __atomic_fetch_add(&b->failures, 1, __ATOMIC_SEQ_CST);
}

static inline void end_run(bench *b)
{
    pb_sched_request(b->sched, PB_MACHINE_POWER_OFF, 0);
}

/* ---- processor ------------------------------------------------------------------------------------------- */

static inline bool bench_walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                              pb_guest_fault *fault)
{
    bench_state *s = state_of(vcpu);

    s->walks++;
    out->gpa = request->gva;
    out->page_bytes = PB_PAGE_SIZE;
    out->prot = PB_PROT_READ | PB_PROT_WRITE | PB_PROT_EXEC;
    return s->b->walk ? s->b->walk(vcpu, request, out, fault) : true;
}

static inline bool bench_interrupt(pb_vcpu *vcpu)
{
    bench_state *s = state_of(vcpu);

    if (!__atomic_load_n(&s->irq, __ATOMIC_SEQ_CST))
        return false;
    s->taken++;
    return true;
}

static inline bool bench_has_work(pb_vcpu *vcpu)
{
    return __atomic_load_n(&state_of(vcpu)->irq, __ATOMIC_SEQ_CST) != 0;
}

static inline uint32_t bench_data_mmu(const pb_vcpu *vcpu)
{
    return 0;
}

static const pb_slot bench_slots[] = {
    { "pc", IR_I64, offsetof(bench_state, pc) },
    { 0 },
};

static const pb_cpu_type bench_cpu = {
    .head = { .size = sizeof(pb_cpu_type),
              .kind = PB_KIND_CPU,
              .name = "bench",
              .instance_size = sizeof(bench_state) },
    .slots = bench_slots,
    .walk = bench_walk,
    .interrupt = bench_interrupt,
    .has_work = bench_has_work,
    .data_mmu = bench_data_mmu,
};

/* ---- accelerator ----------------------------------------------------------------------------------------- */

static inline uint32_t bench_run(void *self, pb_vcpu *vcpu)
{
    bench_state *s = state_of(vcpu);
    bench *b = self;

    for (;;) {
        uint32_t reason;

        if (__atomic_load_n(&vcpu->exit_request, __ATOMIC_SEQ_CST))
            return PB_RUN_REQUEST;
        if (vcpu->budget <= 0)
            return PB_RUN_BUDGET;
        if (vcpu->budget != INT64_MAX)
            vcpu->budget--;
        vcpu->retired++;
        s->pc += 4;
        reason = b->insn ? b->insn(vcpu, s) : 0;
        if (__atomic_add_fetch(&s->executed, 1, __ATOMIC_SEQ_CST) % 64 == 0 &&
            vcpu->budget == INT64_MAX)
            g_thread_yield(); /* more vCPUs than host processors: let all take part */
        if (reason)
            return reason;
        if (vcpu->unwind) {
            vcpu->unwind = 0;
            if (vcpu->leave_reason) {
                reason = vcpu->leave_reason;
                vcpu->leave_reason = 0;
                return reason;
            }
        }
    }
}

static inline void bench_flush(void *self, pb_vcpu *vcpu)
{
    ((bench *)self)->flushes++;
}

static inline void bench_drop_code(void *self, pb_vcpu *vcpu, uint64_t first, uint64_t last)
{
    bench *b = self;

    b->drops++;
    b->dropped_first = first;
    b->dropped_last = last;
}

static const pb_accel_type bench_accel = {
    .head = { .size = sizeof(pb_accel_type), .kind = PB_KIND_ACCEL, .name = "bench" },
    .run = bench_run,
    .flush = bench_flush,
    .drop_code = bench_drop_code,
};

/* ---- device ---------------------------------------------------------------------------------------------- */

static inline pb_bus_result bench_read(void *self, const pb_access *access, uint64_t *value)
{
    bench *b = self;

    CU_ASSERT(pb_sched_devices_locked(b->sched));
    b->device_reads++;
    *value = b->device_value;
    return access->offset >= 0x800 ? PB_BUS_ERROR : PB_BUS_OK;
}

static inline pb_bus_result bench_write(void *self, const pb_access *access, uint64_t value)
{
    bench *b = self;

    CU_ASSERT(pb_sched_devices_locked(b->sched));
    b->device_writes++;
    b->device_value = value;
    if (b->on_device_write)
        b->on_device_write(b, value);
    return access->offset >= 0x800 ? PB_BUS_ERROR : PB_BUS_OK;
}

static const pb_mmio_ops bench_mmio = {
    .size = sizeof(pb_mmio_ops),
    .read = bench_read,
    .write = bench_write,
};

/* ---- life ------------------------------------------------------------------------------------------------ */

static inline void bench_init_with(bench *b, uint32_t count, const pb_sched_config *config)
{
    pb_mmio mmio = { .ops = &bench_mmio, .self = b };
    pb_bus_region *device;

    memset(b, 0, sizeof(*b));
    b->sched = pb_sched_new(config);
    b->bus = pb_bus_new(b->sched);
    b->root = pb_bus_region_new_container(b->bus, "root", 0);
    b->space = pb_space_new(b->bus, "memory", b->root, NULL);
    b->ram = pb_ram_new(b->bus, "ram", RAM_BYTES, PB_RAM_PAGES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->ram);
    b->ram_region = pb_bus_region_new_ram(b->bus, "ram", b->ram, 0, RAM_BYTES);
    pb_bus_region_add(b->root, b->ram_region, 0, 0);
    device = pb_bus_region_new_mmio(b->bus, "device", 0x1000, &mmio);
    pb_bus_region_add(b->root, device, DEVICE, 0);
    pb_bus_region_unref(device);
    b->cpus = pb_cpus_new(b->sched, b->space);
    b->count = count;
    for (uint32_t i = 0; i < count; i++) {
        b->vcpu[i] = pb_cpus_add(b->cpus, &bench_cpu);
        state_of(b->vcpu[i])->b = b;
    }
    CU_ASSERT(pb_cpus_start(b->cpus, &bench_accel, b, NULL));
}

static inline void bench_init(bench *b, uint32_t count)
{
    pb_sched_config config = { .threads = PB_THREADS_PARALLEL, .wall_base_s = PB_WALL_HOST };

    bench_init_with(b, count, &config);
}

static inline void bench_finish(bench *b)
{
    CU_ASSERT_EQUAL(b->failures, 0);
    pb_cpus_free(b->cpus);
    pb_space_free(b->space);
    pb_bus_region_unref(b->ram_region);
    pb_bus_region_unref(b->root);
    pb_ram_unref(b->ram);
    pb_bus_free(b->bus);
    pb_sched_free(b->sched);
}

static inline void bench_run_to_end(bench *b)
{
    CU_ASSERT_EQUAL(pb_sched_run(b->sched), 0);
}

static inline uint64_t executed(const bench *b, uint32_t index)
{
    return __atomic_load_n(&state_of(b->vcpu[index])->executed, __ATOMIC_SEQ_CST);
}

/* ---- accesses that shall succeed, or fail with a kind ------------------------------------------------------ */

static inline uint64_t load(pb_vcpu *vcpu, uint64_t gva, uint32_t attr)
{
    pb_guest_fault fault = { 0 };
    pb_u128 value = { 0, 0 };

    expect(state_of(vcpu)->b, vcpu->ops->load(vcpu, gva, attr, &value, &fault) == PB_MEM_OK);
    return value.lo;
}

static inline void store(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint64_t value)
{
    pb_guest_fault fault = { 0 };

    expect(state_of(vcpu)->b,
           vcpu->ops->store(vcpu, gva, attr, (pb_u128){ value, 0 }, &fault) == PB_MEM_OK);
}

static inline pb_guest_fault load_fault(pb_vcpu *vcpu, uint64_t gva, uint32_t attr)
{
    pb_guest_fault fault = { 0 };
    pb_u128 value;

    expect(state_of(vcpu)->b, vcpu->ops->load(vcpu, gva, attr, &value, &fault) == PB_MEM_FAULT);
    return fault;
}

static inline pb_guest_fault store_fault(pb_vcpu *vcpu, uint64_t gva, uint32_t attr)
{
    pb_guest_fault fault = { 0 };

    expect(state_of(vcpu)->b, vcpu->ops->store(vcpu, gva, attr, (pb_u128){ UINT64_MAX, UINT64_MAX },
                                               &fault) == PB_MEM_FAULT);
    return fault;
}

#endif
