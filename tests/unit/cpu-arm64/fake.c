#include "fake.h"

#include <stdlib.h>

fake host;

pb_vcpu *fake_vcpu(uint32_t index)
{
    return (pb_vcpu *)host.cpus[index].memory;
}

arm64_cpu *fake_state(uint32_t index)
{
    return cpu_of(fake_vcpu(index));
}

static fake_cpu *fake_of(pb_vcpu *vcpu)
{
    return &host.cpus[vcpu->index];
}

void fake_write64(uint64_t gpa, uint64_t value)
{
    memcpy(host.ram + gpa, &value, 8);
}

uint64_t fake_read64(uint64_t gpa)
{
    uint64_t value;

    memcpy(&value, host.ram + gpa, 8);
    return value;
}

/* ---- physical memory ------------------------------------------------------------------------- */

static bool answers(uint64_t gpa, uint32_t size)
{
    return gpa + size <= FAKE_RAM_BYTES && (gpa & ~PB_PAGE_MASK) != host.bad_gpa;
}

static pb_bus_result phys_read(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                               uint64_t *value)
{
    *value = 0;
    if (!answers(gpa, size))
        return PB_BUS_DECODE;
    memcpy(value, host.ram + gpa, size);
    return PB_BUS_OK;
}

static pb_bus_result phys_write(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                uint64_t value)
{
    if (!answers(gpa, size))
        return PB_BUS_DECODE;
    memcpy(host.ram + gpa, &value, size);
    return PB_BUS_OK;
}

static bool phys_cas(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size, uint64_t expected,
                     uint64_t desired)
{
    if (fake_read64(gpa) != expected)
        return false;
    fake_write64(gpa, desired);
    return true;
}

/* ---- virtual memory: every access walks ------------------------------------------------------ */

static pb_mem_result translate(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                               pb_guest_fault *fault)
{
    return arm64_walk(vcpu, request, out, fault) ? PB_MEM_OK : PB_MEM_FAULT;
}

static pb_mem_result store(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                           pb_guest_fault *fault)
{
    pb_walk_request request = { .gva = gva, .type = PB_ACCESS_WRITE, .mmu = PB_MEM_GET_MMU(attr) };
    pb_translation t;

    if (!arm64_walk(vcpu, &request, &t, fault))
        return PB_MEM_FAULT;
    memcpy(host.ram + t.gpa, &value, PB_MEM_GET_BYTES(attr));
    return PB_MEM_OK;
}

static pb_mem_result code(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                          pb_guest_fault *fault)
{
    static const uint32_t generation;
    pb_walk_request request = { .gva = gva, .type = PB_ACCESS_FETCH, .mmu = mmu };
    pb_translation t;

    if (!arm64_walk(vcpu, &request, &t, fault))
        return PB_MEM_FAULT;
    *page = (pb_code_page){ .host = host.ram + (t.gpa & ~PB_PAGE_MASK),
                            .gpa = t.gpa & ~PB_PAGE_MASK,
                            .generation = &generation };
    return PB_MEM_OK;
}

/* ---- TLB, power and the rest ----------------------------------------------------------------- */

static void tlb_flush(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t scope)
{
    fake_cpu *f = fake_of(vcpu);

    f->flushed_mask = mmu_mask;
    f->flushed_scope = scope;
    f->flushes++;
}

static void tlb_flush_page(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes, uint32_t mmu_mask,
                           uint32_t scope)
{
    fake_cpu *f = fake_of(vcpu);

    f->flushed_gva = gva;
    f->flushed_mask = mmu_mask;
    f->flushed_scope = scope;
    f->page_flushes++;
}

static void tlb_switch(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space)
{
    fake_cpu *f = fake_of(vcpu);

    f->switched_mask = mmu_mask;
    f->guest = guest;
    f->space = space;
}

static void tlb_flush_some(pb_vcpu *vcpu, const pb_tlb_flush *flush)
{
    if (flush->bytes)
        tlb_flush_page(vcpu, flush->gva, flush->bytes, flush->mmu_mask, flush->scope);
    else
        tlb_flush(vcpu, flush->mmu_mask, flush->scope);
    fake_of(vcpu)->flushed = *flush;
}

static void tlb_sync(pb_vcpu *vcpu)
{
    fake_of(vcpu)->syncs++;
}

static void code_flush(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes)
{
    fake_of(vcpu)->code_flushes++;
}

static void kick(pb_vcpu *vcpu, uint32_t bits)
{
    vcpu->exit_request |= bits;
    fake_of(vcpu)->kicks++;
}

static uint32_t vcpu_count(pb_vcpu *vcpu)
{
    return FAKE_CPUS;
}

static pb_vcpu *vcpu_at(pb_vcpu *vcpu, uint32_t index)
{
    return fake_vcpu(index);
}

static void run_on(pb_vcpu *target, void (*fn)(pb_vcpu *target, uint64_t argument),
                   uint64_t argument)
{
    fn(target, argument);
}

static void set_powered(pb_vcpu *vcpu, bool powered)
{
    fake_of(vcpu)->powered = powered;
}

static bool powered(pb_vcpu *vcpu)
{
    return fake_of(vcpu)->powered;
}

static void lock_devices(pb_vcpu *vcpu)
{
    host.device_lock++;
}

static void unlock_devices(pb_vcpu *vcpu)
{
    host.device_lock--;
}

static pb_clock *get_clock(pb_vcpu *vcpu)
{
    return &host.clock;
}

static const pb_vcpu_ops vcpu_ops = {
    .size = sizeof(pb_vcpu_ops),
    .store = store,
    .translate = translate,
    .code = code,
    .phys_read = phys_read,
    .phys_write = phys_write,
    .phys_cas = phys_cas,
    .tlb_flush = tlb_flush,
    .tlb_flush_page = tlb_flush_page,
    .tlb_sync = tlb_sync,
    .code_flush = code_flush,
    .kick = kick,
    .vcpu_count = vcpu_count,
    .vcpu_at = vcpu_at,
    .run_on = run_on,
    .set_powered = set_powered,
    .powered = powered,
    .lock_devices = lock_devices,
    .unlock_devices = unlock_devices,
    .clock = get_clock,
    .tlb_switch = tlb_switch,
    .tlb_flush_some = tlb_flush_some,
};

/* ---- services -------------------------------------------------------------------------------- */

static uint64_t now_ns(pb_clock *clock)
{
    return host.now_ns;
}

static void timer_set(pb_timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
}

static void timer_cancel(pb_timer *timer)
{
    timer->deadline_ns = PB_TIMER_OFF;
}

static const pb_clock_iface clock_iface = { .size = sizeof(pb_clock_iface),
                                            .now_ns = now_ns,
                                            .timer_set = timer_set,
                                            .timer_cancel = timer_cancel };

static void line_set(void *self, uint32_t index, bool level)
{
    ((fake_line *)self)->changes++;
}

static const pb_line_iface line_iface = { .size = sizeof(pb_line_iface), .set = line_set };

static void log_line(pb_object *object, uint32_t kind, const char *format, ...)
{
    host.logs++;
}

static bool trace_enabled(pb_object *object, const char *event)
{
    return false;
}

static void machine_request(pb_object *object, uint32_t request, int32_t status)
{
    host.requests++;
    host.last_request = request;
}

static const pb_object_ops object_ops = { .size = sizeof(pb_object_ops),
                                          .log = log_line,
                                          .trace_enabled = trace_enabled,
                                          .request = machine_request };

/* ---- life ------------------------------------------------------------------------------------ */

static const pb_cpu_type *find_type(const char *name)
{
    for (const pb_class *const *type = pb_plugin_entry.types; *type; type++) {
        if (!strcmp((*type)->name, name))
            return (const pb_cpu_type *)*type;
    }
    abort();
}

void fake_start(const char *type, bool el2, bool el3, uint8_t psci)
{
    memset(&host, 0, sizeof(host));
    host.ram = calloc(1, FAKE_RAM_BYTES);
    host.clock.iface = &clock_iface;
    host.object.ops = &object_ops;
    host.bad_gpa = UINT64_MAX;
    for (uint32_t i = 0; i < FAKE_CPUS; i++) {
        pb_vcpu *vcpu = fake_vcpu(i);
        arm64_cpu *cpu = cpu_of(vcpu);

        vcpu->size = sizeof(pb_vcpu);
        vcpu->index = i;
        vcpu->ops = &vcpu_ops;
        vcpu->type = find_type(type);
        vcpu->object = &host.object;
        vcpu->state = cpu;
        cpu->mpidr = MPIDR_UNSET;
        cpu->cntfrq_hz = 62500000;
        cpu->has_el2 = el2;
        cpu->has_el3 = el3;
        cpu->has_pmu = true;
        cpu->psci = psci;
        cpu->start_powered_off = i > 0;
        for (uint32_t timer = 0; timer < TIMER_COUNT; timer++) {
            host.cpus[i].timers[timer] = (pb_timer){ &host.clock, PB_TIMER_OFF };
            cpu->timer[timer] = &host.cpus[i].timers[timer];
            host.cpus[i].lines[timer].line.iface = &line_iface;
            host.cpus[i].lines[timer].line.self = &host.cpus[i].lines[timer];
            cpu->timer_line[timer] = &host.cpus[i].lines[timer].line;
        }
        arm64_reset(cpu);
    }
}

void fake_stop(void)
{
    free(host.ram);
    host.ram = NULL;
}

void fake_set_el(uint32_t el)
{
    arm64_set_pstate(fake_state(0), PSTATE_EL(el) | (el ? PSTATE_SP : 0));
    fake_vcpu(0)->unwind = 0;
}
