/*
 * Generic PCI Express host bridge with ECAM: one root bus, configuration space in memory.
 * PCI Express Base Specification 4.0, 7.2.2 (ECAM), 7.5.1 (header); PCI Local Bus Specification 3.0, chapter 6. What
 * operating systems expect of "pci-host-ecam-generic": Linux
 * Documentation/devicetree/bindings/pci/host-generic-pci.yaml.
 *
 * Ports: slot[device * 8 + function] (pci), intx[4].
 * Windows: mmio32 and mmio64 are the same addresses on the PCI bus and in the system; pio is the I/O space.
 * Nobody's addresses in a window read as ones, as on a root port that completes aborted reads.
 *
 * The bridge keeps the configuration header of every function and a mask of what the guest may write; functions only
 * describe themselves. Not there: buses behind bridges, I/O BARs, MSI-X, extended capabilities (read as zero: none).
 */
#include <patchbay/pci.h>

#include <stdlib.h>

#define FUNCTIONS     256
#define CONFIG_BYTES  256
#define ECAM_FUNCTION 4096u

enum { REGION_ECAM = 0, REGION_MMIO32, REGION_MMIO64, REGION_PIO };

/* Header of type 0 (7.5.1.1, 7.5.1.2). */
enum {
    VENDOR_ID = 0x00,
    DEVICE_ID = 0x02,
    COMMAND = 0x04,
    STATUS = 0x06,
    REVISION = 0x08,
    CLASS_CODE = 0x09,
    HEADER_TYPE = 0x0e,
    BAR0 = 0x10,
    SUBSYSTEM_VENDOR = 0x2c,
    SUBSYSTEM_ID = 0x2e,
    CAPABILITIES = 0x34,
    INTERRUPT_LINE = 0x3c,
    INTERRUPT_PIN = 0x3d,
    FIRST_CAPABILITY = 0x40,
    CACHE_LINE = 0x0c
};
enum {
    COMMAND_MEMORY = 2,
    COMMAND_MASTER = 4,
    COMMAND_INTX_DISABLE = 1 << 10,
    STATUS_INTERRUPT = 1 << 3,
    STATUS_CAPABILITIES = 1 << 4,
    MULTIFUNCTION = 0x80
};

#define NO_BAR UINT64_MAX

typedef struct function {
    uint8_t config[CONFIG_BYTES];
    bool intx; /* what the function asserts */
} function;

/* What does not change after init. */
typedef struct layout {
    pb_pci_description description;
    uint8_t mask[CONFIG_BYTES]; /* bits that the guest can write */
    uint8_t capability_at[32];
    uint64_t mapped[PB_PCI_BARS]; /* address at which a BAR is seen, or NO_BAR */
} layout;

typedef struct pcie_host {
    pb_object *self;
    uint64_t ecam_bytes, mmio32_bytes, mmio64_bytes, pio_bytes;
    const pb_link *peers[FUNCTIONS];
    layout *layouts[FUNCTIONS];
    function functions[FUNCTIONS]; /* number 0 is the bridge itself, if nothing takes its place */
    pb_line *intx[4];
} pcie_host;

static uint32_t get(const uint8_t *config, uint32_t at, uint32_t bytes)
{
    uint32_t value = 0;

    memcpy(&value, config + at, bytes);
    return value;
}

static void put(uint8_t *config, uint32_t at, uint32_t value, uint32_t bytes)
{
    memcpy(config + at, &value, bytes);
}

static const pb_pci_function_iface *iface_of(const pcie_host *s, uint32_t i)
{
    return s->peers[i] ? s->peers[i]->iface : NULL;
}

/* ---- interrupts ------------------------------------------------------------------------------------------- */

/* INTA# to INTD# of a device go to the bridge's four inputs in turn (2.2.8.1: swizzling). */
static uint32_t line_of(const pcie_host *s, uint32_t i)
{
    return (i / 8 + s->layouts[i]->description.interrupt_pin - 1) % 4;
}

static void update_intx(pcie_host *s)
{
    bool level[4] = { false };

    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        uint8_t *config = s->functions[i].config;

        if (!s->peers[i] || !s->layouts[i] || !s->layouts[i]->description.interrupt_pin)
            continue;
        put(config, STATUS,
            (get(config, STATUS, 2) & ~(uint32_t)STATUS_INTERRUPT) |
                (s->functions[i].intx ? STATUS_INTERRUPT : 0),
            2);
        if (s->functions[i].intx && !(get(config, COMMAND, 2) & COMMAND_INTX_DISABLE))
            level[line_of(s, i)] = true;
    }
    for (int n = 0; n < 4; n++)
        pb_line_set(s->intx[n], level[n]);
}

/* Functions may be reset before us, and tell their level when there are no headers yet. */
static void set_intx(void *self, uint32_t index, bool level)
{
    pcie_host *s = self;

    s->functions[index].intx = level;
    update_intx(s);
}

/* ---- BARs ----------------------------------------------------------------------------------------------------- */

static bool in_window(pcie_host *s, uint32_t region, uint64_t size, uint64_t address,
                      uint64_t bytes)
{
    uint64_t base;

    return s->self->ops->region_place(s->self, region, &base) && address >= base &&
           address - base < size && bytes <= size - (address - base);
}

/* Where the header says a BAR is, if that is in a window and memory decoding is on; else NO_BAR. */
static uint64_t bar_address(pcie_host *s, uint32_t i, uint32_t bar)
{
    const uint8_t *config = s->functions[i].config;
    const pb_pci_bar *b = &s->layouts[i]->description.bars[bar];
    uint64_t address = get(config, BAR0 + 4 * bar, 4) & ~UINT32_C(15);

    if (!b->bytes || (b->flags & PB_PCI_BAR_IO) || !(get(config, COMMAND, 2) & COMMAND_MEMORY))
        return NO_BAR;
    if (b->flags & PB_PCI_BAR_64)
        address |= (uint64_t)get(config, BAR0 + 4 * bar + 4, 4) << 32;
    if (in_window(s, REGION_MMIO32, s->mmio32_bytes, address, b->bytes) ||
        in_window(s, REGION_MMIO64, s->mmio64_bytes, address, b->bytes))
        return address;
    return NO_BAR;
}

static void update_bars(pcie_host *s, uint32_t i)
{
    const pb_pci_function_iface *iface = iface_of(s, i);

    for (uint32_t bar = 0; iface && bar < PB_PCI_BARS; bar++) {
        uint64_t *mapped = &s->layouts[i]->mapped[bar], address = bar_address(s, i, bar);

        if (*mapped == address)
            continue;
        if (*mapped != NO_BAR)
            iface->bar_map(s->peers[i]->self, s->peers[i]->index, bar, *mapped, false);
        if (address != NO_BAR)
            iface->bar_map(s->peers[i]->self, s->peers[i]->index, bar, address, true);
        *mapped = address;
    }
}

/* ---- configuration space ----------------------------------------------------------------------------------------- */

/* The capability that holds a byte, and the offset in it; false if none does. */
static bool find_capability(const layout *l, uint32_t at, uint32_t *capability, uint32_t *offset)
{
    for (uint32_t c = 0; c < l->description.n_capabilities; c++) {
        uint32_t first = l->capability_at[c];

        if (at >= first && at < first + l->description.capabilities[c].length) {
            *capability = c;
            *offset = at - first;
            return true;
        }
    }
    return false;
}

/* The function behind an ECAM offset, or null: nothing there. */
static function *target(pcie_host *s, uint64_t offset, uint32_t *i)
{
    if (offset >= (uint64_t)FUNCTIONS * ECAM_FUNCTION)
        return NULL; /* other buses */
    *i = (uint32_t)(offset / ECAM_FUNCTION);
    return s->layouts[*i] ? &s->functions[*i] : NULL;
}

static pb_bus_result ecam_read(void *self, const pb_access *a, uint64_t *value)
{
    pcie_host *s = self;
    uint32_t i, at = a->offset % ECAM_FUNCTION, capability, offset;
    function *f = target(s, a->offset, &i);

    *value = UINT64_MAX; /* no function: all ones (7.2.2) */
    if (!f)
        return PB_BUS_OK;
    *value = 0;
    if (at + a->size > CONFIG_BYTES)
        return PB_BUS_OK;
    if (iface_of(s, i) && iface_of(s, i)->capability_read &&
        a->attrs.requester != PB_REQUESTER_DEBUG &&
        find_capability(s->layouts[i], at, &capability, &offset))
        iface_of(s, i)->capability_read(s->peers[i]->self, s->peers[i]->index, capability, offset,
                                        a->size,
                                        f->config + s->layouts[i]->capability_at[capability]);
    *value = get(f->config, at, a->size);
    return PB_BUS_OK;
}

static pb_bus_result ecam_write(void *self, const pb_access *a, uint64_t value)
{
    pcie_host *s = self;
    uint32_t i, at = a->offset % ECAM_FUNCTION, capability, offset;
    function *f = target(s, a->offset, &i);

    if (!f || at + a->size > CONFIG_BYTES)
        return PB_BUS_OK;
    for (uint32_t n = 0; n < a->size; n++) {
        uint8_t mask = s->layouts[i]->mask[at + n];

        f->config[at + n] = (uint8_t)((f->config[at + n] & ~mask) | ((value >> (8 * n)) & mask));
    }
    update_bars(s, i);
    update_intx(s);
    if (iface_of(s, i) && iface_of(s, i)->capability_write &&
        find_capability(s->layouts[i], at, &capability, &offset))
        iface_of(s, i)->capability_write(s->peers[i]->self, s->peers[i]->index, capability, offset,
                                         a->size,
                                         f->config + s->layouts[i]->capability_at[capability]);
    return PB_BUS_OK;
}

/* Addresses in a window that no BAR took. */
static pb_bus_result window_read(void *self, const pb_access *a, uint64_t *value)
{
    *value = UINT64_MAX;
    return PB_BUS_OK;
}

static pb_bus_result window_write(void *self, const pb_access *a, uint64_t value)
{
    return PB_BUS_OK;
}

/* ---- building the headers ------------------------------------------------------------------------------------------ */

static void describe_bar(const pb_pci_bar *b, uint32_t bar, uint8_t *config, uint8_t *mask)
{
    uint64_t writable = ~(b->bytes - 1);

    if (!b->bytes)
        return;
    put(config, BAR0 + 4 * bar,
        (b->flags & PB_PCI_BAR_64 ? 4 : 0) | (b->flags & PB_PCI_BAR_PREFETCH ? 8 : 0), 4);
    put(mask, BAR0 + 4 * bar, (uint32_t)writable & ~UINT32_C(15), 4);
    if (b->flags & PB_PCI_BAR_64)
        put(mask, BAR0 + 4 * bar + 4, (uint32_t)(writable >> 32), 4);
}

/* Chain the capabilities from 0x40; false if they do not fit. */
static bool place_capabilities(layout *l, uint8_t *config)
{
    uint32_t at = FIRST_CAPABILITY, link = CAPABILITIES;

    if (l->description.n_capabilities > PB_ARRAY_SIZE(l->capability_at))
        return false;
    for (uint32_t c = 0; c < l->description.n_capabilities; c++) {
        const pb_pci_capability *cap = &l->description.capabilities[c];

        if (cap->length < 2 || at + cap->length > CONFIG_BYTES)
            return false;
        memcpy(config + at, cap->bytes, cap->length);
        if (cap->write_mask)
            memcpy(l->mask + at + 2, cap->write_mask + 2, cap->length - 2u);
        config[at] = cap->id;
        config[at + 1] = 0;
        config[link] = (uint8_t)at;
        l->capability_at[c] = (uint8_t)at;
        link = at + 1;
        at = (at + cap->length + 3) & ~3u;
    }
    return true;
}

static bool build(layout *l, uint8_t *config)
{
    const pb_pci_description *d = &l->description;

    memset(config, 0, CONFIG_BYTES);
    put(config, VENDOR_ID, d->vendor, 2);
    put(config, DEVICE_ID, d->device, 2);
    put(config, REVISION, d->revision, 1);
    put(config, CLASS_CODE, d->class_code, 3);
    put(config, SUBSYSTEM_VENDOR, d->subsystem_vendor, 2);
    put(config, SUBSYSTEM_ID, d->subsystem, 2);
    put(config, INTERRUPT_PIN, d->interrupt_pin, 1);
    put(config, STATUS, d->n_capabilities ? STATUS_CAPABILITIES : 0, 2);
    put(l->mask, COMMAND, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE, 2);
    put(l->mask, CACHE_LINE, 0xff, 1);
    put(l->mask, INTERRUPT_LINE, 0xff, 1);
    for (uint32_t bar = 0; bar < PB_PCI_BARS; bar++) {
        describe_bar(&d->bars[bar], bar, config, l->mask);
        if (d->bars[bar].flags & PB_PCI_BAR_64)
            bar++;
    }
    return place_capabilities(l, config);
}

/* BARs must be powers of two of at least 16 bytes; 64-bit ones take two registers. */
static const char *check(const pb_pci_description *d)
{
    for (uint32_t bar = 0; bar < PB_PCI_BARS; bar++) {
        const pb_pci_bar *b = &d->bars[bar];

        if (!b->bytes)
            continue;
        if (b->bytes < 16 || (b->bytes & (b->bytes - 1)))
            return "has a BAR whose size is not a power of two from 16";
        if (b->flags & PB_PCI_BAR_IO)
            return "needs an I/O BAR, which this bridge does not have";
        if ((b->flags & PB_PCI_BAR_64) && (bar == PB_PCI_BARS - 1 || d->bars[bar + 1].bytes))
            return "has a 64-bit BAR without room for its upper half";
    }
    return d->msix_vectors ? "needs MSI-X, which this bridge does not have" : NULL;
}

static bool add_function(pcie_host *s, uint32_t i, pb_error *error)
{
    layout *l = calloc(1, sizeof(*l));
    const char *wrong;

    if (!l)
        return pb_fail(error, "out of memory");
    s->layouts[i] = l;
    l->description.size = sizeof(l->description);
    for (uint32_t bar = 0; bar < PB_PCI_BARS; bar++)
        l->mapped[bar] = NO_BAR;
    /* The bridge has the identity by which systems know a host bridge that needs no driver. */
    if (!s->peers[i])
        l->description = (pb_pci_description){ .size = sizeof(l->description),
                                               .vendor = 0x1b36,
                                               .device = 0x0008,
                                               .subsystem_vendor = 0x1af4,
                                               .subsystem = 0x1100,
                                               .class_code = 0x060000 };
    else
        iface_of(s, i)->describe(s->peers[i]->self, s->peers[i]->index, &l->description);
    wrong = check(&l->description);
    if (!wrong && !build(l, s->functions[i].config))
        wrong = "has capabilities that do not fit into configuration space";
    return !wrong || pb_fail(error, "the function at slot[%u] %s", i, wrong);
}

/* A device with functions beside 0 says so in function 0's header (7.5.1.1.9). */
static void mark_multifunction(pcie_host *s)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        if (i % 8 && s->layouts[i] && s->layouts[i & ~7u])
            s->functions[i & ~7u].config[HEADER_TYPE] = MULTIFUNCTION;
}

/* ---- class -------------------------------------------------------------------------------------------------------------- */

static bool pcie_host_init(void *self, pb_error *error)
{
    pcie_host *s = self;

    /* Nobody looks further where function 0 is missing. */
    for (uint32_t i = 8; i < FUNCTIONS; i++)
        if (s->peers[i] && !s->peers[i & ~7u])
            return pb_fail(error,
                           "slot[%u] is taken, but slot[%u], function 0 of the device, is not", i,
                           i & ~7u);
    return true;
}

static void pcie_host_finish(void *self)
{
    pcie_host *s = self;

    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        free(s->layouts[i]);
        s->layouts[i] = NULL;
    }
}

/* Functions describe themselves after their own init, which may come after ours: the first reset builds the
 * headers, later ones rebuild them. */
static void pcie_host_reset(void *self)
{
    pcie_host *s = self;
    pb_error error = PB_ERROR_INIT;

    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        if (i != 0 && !s->peers[i])
            continue;
        if (!s->layouts[i] && !add_function(s, i, &error)) {
            pb_log(s->self, PB_LOG_WARNING, "%s; it is left out", error.text);
            free(s->layouts[i]);
            s->layouts[i] = NULL;
            continue;
        }
        build(s->layouts[i], s->functions[i].config);
        update_bars(s, i);
    }
    mark_multifunction(s);
    update_intx(s);
}

static bool pcie_host_loaded(void *self, pb_error *error)
{
    pcie_host *s = self;

    for (uint32_t i = 0; i < FUNCTIONS; i++)
        if (s->layouts[i])
            update_bars(s, i);
    return true;
}

static void slot_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((pcie_host *)self)->peers[index] = peer;
}

static bool no_msix(void *self, uint32_t index)
{
    return false;
}
static void msix_notify(void *self, uint32_t index, uint32_t vector) {}

static bool bus_master(void *self, uint32_t index)
{
    return get(((pcie_host *)self)->functions[index].config, COMMAND, 2) & COMMAND_MASTER;
}

static const pb_pci_bus_iface bus_iface = {
    sizeof(pb_pci_bus_iface), set_intx, msix_notify, no_msix, bus_master,
};

static const pb_prop pcie_host_props[] = {
    { "ecam-bytes", PB_PROP_SIZE, PB_MEMBER(pcie_host, ecam_bytes), "16MiB", 1 << 20, 256 << 20,
      .doc = "Size of the ecam region: 1 MiB a bus number" },
    { "mmio32-bytes", PB_PROP_SIZE, PB_MEMBER(pcie_host, mmio32_bytes), "0x2eff0000", 1 << 20,
      UINT64_C(1) << 32, .doc = "Size of the 32-bit memory window" },
    { "mmio64-bytes", PB_PROP_SIZE, PB_MEMBER(pcie_host, mmio64_bytes), "512GiB", 1 << 20,
      UINT64_C(1) << 42, .doc = "Size of the 64-bit memory window" },
    { "pio-bytes", PB_PROP_SIZE, PB_MEMBER(pcie_host, pio_bytes), "64KiB", 4096, 1 << 20,
      .doc = "Size of the I/O window" },
    { 0 },
};

static const pb_port pcie_host_ports[] = {
    { "slot", PB_PROTOCOL_PCI, PB_PROVIDES, .count = FUNCTIONS, .iface = &bus_iface,
      .connected = slot_connected, .doc = "Device * 8 + function; 0 is the bridge, if left open" },
    { "intx", PB_PROTOCOL_IRQ, PB_REQUIRES, .count = 4, PB_HANDLE(pcie_host, intx),
      .optional = true, .doc = "INTA# to INTD# of the root bus" },
    { 0 },
};

static const pb_state pcie_host_state[] = {
    PB_STATE_ARRAY(pcie_host, functions),
    PB_TRANSIENT(pcie_host, peers, "wiring"),
    PB_TRANSIENT(pcie_host, layouts,
                 "made from the functions' descriptions; mapped follows from state"),
    { 0 },
};

static const pb_mmio_ops ecam_ops = { sizeof(pb_mmio_ops), ecam_read, ecam_write };
static const pb_mmio_ops window_ops = { sizeof(pb_mmio_ops), window_read, window_write };

static const pb_region pcie_host_regions[] = {
    [REGION_ECAM] = { "ecam", PB_REGION_MMIO, PB_REGION_SIZE(pcie_host, ecam_bytes),
                      .ops = &ecam_ops, .access_max = 4, .doc = "Configuration space" },
    [REGION_MMIO32] = { "mmio32", PB_REGION_MMIO, PB_REGION_SIZE(pcie_host, mmio32_bytes),
                        .ops = &window_ops, .unaligned = true, .doc = "32-bit memory window" },
    [REGION_MMIO64] = { "mmio64", PB_REGION_MMIO, PB_REGION_SIZE(pcie_host, mmio64_bytes),
                        .ops = &window_ops, .unaligned = true, .doc = "64-bit memory window" },
    [REGION_PIO] = { "pio", PB_REGION_MMIO, PB_REGION_SIZE(pcie_host, pio_bytes),
                     .ops = &window_ops, .unaligned = true, .doc = "I/O window" },
    { 0 },
};

/* ---- device tree ---------------------------------------------------------------------------------------------------------- */

/* One entry of `ranges`: PCI address (3 cells), system address (2), size (2). */
static uint32_t add_range(const pb_fdt_writer *w, const char *region, uint32_t space, bool io,
                          uint32_t *cells)
{
    uint64_t gpa, bytes;
    uint64_t pci;

    if (!w->region(w, region, &gpa, &bytes))
        return 0;
    pci = io ? 0 : gpa;
    cells[0] = space;
    cells[1] = (uint32_t)(pci >> 32);
    cells[2] = (uint32_t)pci;
    cells[3] = (uint32_t)(gpa >> 32);
    cells[4] = (uint32_t)gpa;
    cells[5] = (uint32_t)(bytes >> 32);
    cells[6] = (uint32_t)bytes;
    return 7;
}

static void add_interrupt_map(const pb_fdt_writer *w)
{
    const uint32_t mask[4] = { 3 << 11, 0, 0, 7 };
    uint32_t map[16 * 16], n = 0;
    uint32_t controller, ignored;

    for (uint32_t device = 0; device < 4; device++) {
        for (uint32_t pin = 0; pin < 4; pin++) {
            uint32_t line = (device + pin) % 4, specifier[8];
            uint32_t cells = w->interrupt(w, "intx", line, specifier);

            if (!cells || !w->peer(w, "intx", line, &controller, &ignored))
                return; /* not wired */
            map[n++] = device << 11;
            map[n++] = 0;
            map[n++] = 0;
            map[n++] = pin + 1;
            map[n++] = controller;
            for (uint32_t i = 0; i < cells; i++)
                map[n++] = specifier[i];
        }
    }
    w->cells(w, "interrupt-map-mask", mask, 4);
    w->cells(w, "interrupt-map", map, n);
}

static bool pcie_host_fdt_extra(void *self, const pb_fdt_writer *w, pb_error *error)
{
    pcie_host *s = self;
    const uint32_t three = 3, two = 2, one = 1, zero = 0;
    const uint32_t bus_range[2] = { 0, (uint32_t)(s->ecam_bytes >> 20) - 1 };
    uint32_t ranges[3 * 7], n = 0;

    /* Spaces (IEEE 1275 PCI binding, 2.2.1.1): I/O 01, 32-bit memory 02, 64-bit memory 03. */
    n += add_range(w, "pio", 0x01000000, true, ranges + n);
    n += add_range(w, "mmio32", 0x02000000, false, ranges + n);
    n += add_range(w, "mmio64", 0x03000000, false, ranges + n);
    w->string(w, "device_type", "pci");
    w->cells(w, "#address-cells", &three, 1);
    w->cells(w, "#size-cells", &two, 1);
    w->cells(w, "#interrupt-cells", &one, 1);
    w->cells(w, "linux,pci-domain", &zero, 1);
    w->cells(w, "bus-range", bus_range, 2);
    w->cells(w, "ranges", ranges, n);
    add_interrupt_map(w);
    return true;
}

static const char *const pcie_host_compatible[] = { "pci-host-ecam-generic", NULL };
static const pb_fdt_desc pcie_host_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "pcie",
    .compatible = pcie_host_compatible,
    .extra = pcie_host_fdt_extra,
    .dma_coherent = true,
    .reg_regions = 1,
    .no_interrupts = true,
};

static const pb_gap gaps[] = {
    { "I/O space", "feature", "I/O BARs and their window" },
    { "MSI-X", "feature", "PCI 3.0, 6.8: functions that ask for vectors are refused" },
    { "bridges", "feature", "buses behind them" },
    { "extended capabilities", "feature", "read as none" },
    { 0 },
};

static const pb_device_type pcie_host_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "pcie-host",
              .doc = "Generic PCI Express host bridge (ECAM)",
              .instance_size = sizeof(pcie_host),
              PB_SELF(pcie_host, self),
              .props = pcie_host_props,
              .ports = pcie_host_ports,
              .state = pcie_host_state,
              .init = pcie_host_init,
              .finish = pcie_host_finish,
              .reset = pcie_host_reset,
              .loaded = pcie_host_loaded },
    .regions = pcie_host_regions,
    .fdt = &pcie_host_fdt,
    .manual = "PCI Express Base Specification 4.0; PCI Local Bus Specification 3.0",
    .gaps = gaps,
};

static const pb_class *const types[] = { &pcie_host_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-pcie-host",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Generic PCI Express host bridge",
    .types = types,
};
