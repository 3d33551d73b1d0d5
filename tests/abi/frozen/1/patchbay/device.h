/*
 * Device types: registers with fields, memory regions, description for guests.
 *
 * What a device author does not write: address switches, width masks, reset of plain registers, save
 * and load, register dumps, trace names, property parsing, the reference page, tests of reset values
 * and read-only bits. These come from the rows.
 */
#ifndef PATCHBAY_DEVICE_H
#define PATCHBAY_DEVICE_H

#include <patchbay/object.h>

/* What a guest's access does to a register or field. */
typedef enum pb_reg_mode {
    PB_RW = 0,
    PB_RO,     /* writes are ignored (and logged as the guest's error) */
    PB_WO,     /* reads as zero */
    PB_W1C,    /* writing ones clears these bits */
    PB_W1S,    /* writing ones sets these bits */
    PB_RC,     /* reading clears */
    PB_RAZ_WI, /* reads as zero, ignores writes: by specification, not as a gap */
} pb_reg_mode;

typedef enum pb_row_status {
    PB_MODELLED = 0,
    PB_UNMODELLED, /* known, not modelled: kept as storage if there is any, logged on use, and listed
                    * by `patchbay report missing` */
} pb_row_status;

typedef struct pb_field {
    const char *name; /* as in the manual */
    uint32_t lsb, width;
    uint32_t mode;   /* pb_reg_mode; PB_RW follows the register's mode */
    uint32_t status; /* pb_row_status */
    const char *doc;
} pb_field;

/* One register, or `count` of them `stride` bytes apart.
 *
 * A read gives, in this order: the read hook's result if there is one, else the stored value, else
 * the reset value. A write computes `now` from the stored (or hook-read) value, the written bytes, the mode
 * and write_mask, stores it, then calls the write hook with the old value and the new. Bits above width read as
 * zero. Accesses narrower than the register read and write the bytes addressed; wider
 * ones cover several registers, lowest address first. */
typedef struct pb_reg {
    const char *name;      /* as in the manual */
    uint64_t offset;       /* in the region, bytes */
    uint32_t width;        /* bits, at most 64 */
    uint32_t mode;         /* pb_reg_mode */
    uint32_t store_offset; /* byte offset + 1 in the instance, 0: no storage. PB_STORE() */
    uint32_t store_width;  /* bytes of the member */
    uint32_t element;      /* bytes of one element of the member */
    uint32_t count;        /* 0 means 1 */
    uint32_t stride;       /* bytes between array elements; 0: the register's size in bytes */
    uint64_t reset;
    uint64_t write_mask;          /* bits that writes can change; 0 means all of width */
    const pb_field *fields;       /* ends with a row without a name; may be null */
    uint32_t status;              /* pb_row_status */
    uint64_t (*read)(void *self); /* [device] */
    void (*write)(void *self, uint64_t old, uint64_t now); /* [device] */
    /* The same with the access: element index, requester, security. At most one form of each. */
    uint64_t (*read_at)(void *self, const pb_access *access);
    void (*write_at)(void *self, const pb_access *access, uint64_t old, uint64_t now);
    /* `now` is what was written, shifted to its place, not merged; nothing is stored */
    bool raw_write;
    const char *doc;
} pb_reg;

/* Where a register's value lives: a member of the instance that is an unsigned integer, or an
 * array of them (PB_STORE_ARRAY) for a row with a count. */
#define PB_STORE(type, member)                                                               \
    .store_offset = offsetof(type, member) + 1, .store_width = PB_MEMBER_SIZE(type, member), \
    .element = PB_MEMBER_SIZE(type, member)
#define PB_STORE_ARRAY(type, member)                                                         \
    .store_offset = offsetof(type, member) + 1, .store_width = PB_MEMBER_SIZE(type, member), \
    .element = PB_MEMBER_SIZE(type, member[0])

typedef enum pb_region_kind {
    PB_REGION_REGS = 1, /* registers, dispatched from rows */
    PB_REGION_MMIO,     /* own handlers, for what is not registers: windows, data ports */
    PB_REGION_RAM,
    PB_REGION_ROM,  /* guest writes are ignored */
    PB_REGION_ROMD, /* reads direct (or by handler), writes by handler: flash */
} pb_region_kind;

/* Handlers of a region. Values are in the low `access->size` bytes, as a number in the region's byte
 * order. [device] */
typedef struct pb_mmio_ops {
    uint32_t size;
    pb_bus_result (*read)(void *self, const pb_access *access, uint64_t *value);
    pb_bus_result (*write)(void *self, const pb_access *access, uint64_t value);
} pb_mmio_ops;

/* A range of addresses that the device answers. `at:` in the machine file places them: one address
 * for one region, a list in the order of the rows, or a mapping by name. */
typedef struct pb_region {
    const char *name;
    uint32_t kind;  /* pb_region_kind */
    uint64_t bytes; /* size */
    /* If not 0: byte offset + 1 of a uint64_t property member that holds the size. PB_REGION_SIZE() */
    uint32_t bytes_offset;
    const pb_reg *regs;     /* PB_REGION_REGS; ends with a row without a name */
    const pb_mmio_ops *ops; /* PB_REGION_MMIO, PB_REGION_ROMD */
    /* If not 0: the region is a row of equal frames of that many bytes, `regs` describes one of them, and
     * access.frame tells which (a GICv3 redistributor per processor). Rows then have no storage, hooks only. */
    uint64_t frame_bytes;
    /* Bytes; 0: 1 and 8. Wider accesses are split, lowest address first; narrower ones follow the
     * board's rule for wrong sizes (bus error). */
    uint8_t access_min, access_max;
    bool big_endian;
    bool unaligned; /* unaligned accesses reach the handlers; otherwise they are split or refused */
    /* Placed by a bus that the device sits on (a PCI BAR), not by `at:`. */
    bool placed_by_bus;
    const char *doc;
} pb_region;

#define PB_REGION_SIZE(type, member) .bytes_offset = offsetof(type, member) + 1

/* ---- description for guests -------------------------------------------------------------------- */

typedef struct pb_fdt_writer pb_fdt_writer;

/* What a flattened device tree says about a device. reg, interrupts and the node's name come from
 * the composed machine; this adds what only the type knows. */
typedef struct pb_fdt_desc {
    uint32_t size;
    const char *node;              /* generic name: "pl011", "virtio_mmio" */
    const char *const *compatible; /* ends with null */
    /* Names of fixed clocks that the node refers to, `clock-names`; ends with null; may be null. Each
     * refers to the board's fixed clock ("apb-pclk"). */
    const char *const *clock_names;
    /* What else: called with a writer positioned in the node. May be null. [setup] */
    bool (*extra)(void *self, const pb_fdt_writer *writer, pb_error *error);
    bool dma_coherent;
    /* An interrupt controller: interrupts of others are written by its rule. interrupt_cells
     * cells are filled from the provided port's name and index. The core writes interrupt-controller and
     * #interrupt-cells. */
    bool (*interrupt)(void *self, const char *port, uint32_t index, uint32_t *cells);
    uint32_t interrupt_cells;
    /* How many of the regions `reg` lists, in the order of the rows; 0: all that are placed. */
    uint32_t reg_regions;
    /* The irq ports are not `interrupts` of the node itself: extra describes them. */
    bool no_interrupts;
} pb_fdt_desc;

/* Adds properties and nodes to the node at hand. Handles are phandles of machine paths. [setup] */
struct pb_fdt_writer {
    uint32_t size;
    void *opaque;
    void (*empty)(const pb_fdt_writer *w, const char *name);
    void (*cells)(const pb_fdt_writer *w, const char *name, const uint32_t *cells, uint32_t count);
    void (*string)(const pb_fdt_writer *w, const char *name, const char *text);
    void (*bytes)(const pb_fdt_writer *w, const char *name, const void *bytes, uint32_t length);
    void (*begin)(const pb_fdt_writer *w, const char *node);
    void (*end)(const pb_fdt_writer *w);
    /* The phandle of the device at a machine path; of the peer of our own port when it begins with '.'
     * (".irq"); 0 if there is none. */
    uint32_t (*phandle)(const pb_fdt_writer *w, const char *path);
    /* The interrupt specifier of one of the device's required irq ports (element index): fills cells with the
     * controller's form and returns their number, 0 if it is not wired. */
    uint32_t (*interrupt)(const pb_fdt_writer *w, const char *port, uint32_t index,
                          uint32_t cells[8]);
    /* Where one of the device's regions is mapped; false if it is not. */
    bool (*region)(const pb_fdt_writer *w, const char *region, uint64_t *gpa, uint64_t *bytes);
    /* What one of the device's required ports is connected to: the peer's phandle and port index (a
     * gpio line's number); false if it is open. */
    bool (*peer)(const pb_fdt_writer *w, const char *port, uint32_t index, uint32_t *phandle,
                 uint32_t *peer_index);
};

typedef struct pb_device_type {
    pb_class head;
    const pb_region *regions; /* ends with a row without a name; may be null */
    const pb_fdt_desc *fdt;   /* may be null: the device tree does not show it */
    /* Extra text for the reference page: manual and revision. */
    const char *manual;
    /* What is not modelled and is no register or field of `regions`; ends with a row without a name; may
     * be null. */
    const pb_gap *gaps;
} pb_device_type;

#endif
