/*
 * The memory bus: address spaces made of regions.
 *
 * Regions (RAM, ROM, MMIO, ROM-device, alias, container) form a tree with priorities; an address
 * space has one as its root. A change of the tree is a transaction; its commit flattens the tree into
 * a view, an immutable sorted list of ranges, and publishes it. Readers take no lock: the rules are
 * at the head of view.c.
 *
 * An access carries its value as a little-endian number of the bytes at ascending addresses. Guest
 * RAM is accessed without any lock; MMIO handlers are called with the device lock held.
 *
 * Left out: IOMMUs (a region kind that translates) and separate secure spaces; the attributes
 * of accesses reach the handlers.
 */
#ifndef CORE_BUS_BUS_H
#define CORE_BUS_BUS_H

#include <core/bus/ram.h>
#include <patchbay/device.h>

typedef struct pb_sched pb_sched;
typedef struct pb_space pb_space;
typedef struct pb_bus_region pb_bus_region;
typedef struct pb_reader pb_reader;

/* ---- the bus: what the spaces of one machine share ------------------------------------------------- */

/* `sched` owns the device lock; null: there is only one thread (tests, fuzzing one device). [setup] */
pb_bus *pb_bus_new(pb_sched *sched);
/* After its spaces, regions and RAM were released; null is fine. [setup] */
void pb_bus_free(pb_bus *bus);

/* Where one-line messages about guests' bad accesses go (rate-limited); null: nowhere. The callback is
 * called from any thread. [setup] */
void pb_bus_set_log(pb_bus *bus, void (*log)(void *opaque, const char *text), void *opaque);

/* Changes between begin and the matching commit become visible at once, at commit. They nest. A change
 * outside of a transaction is one by itself. [device] or [setup] */
void pb_bus_begin(pb_bus *bus);
void pb_bus_commit(pb_bus *bus);

/* ---- regions --------------------------------------------------------------------------------------- */

/* What answers MMIO accesses. access_min and access_max in bytes; 0 means 1 and 8. Wider accesses are split
 * into pieces of access_max, lowest address first, unless they are PB_MEM_DEVICE_EXACT; narrower ones
 * are of wrong size. Unaligned ones are split into aligned pieces where access_min allows it. */
typedef struct pb_mmio {
    const pb_mmio_ops *ops;
    void *self;
    uint8_t access_min, access_max;
    bool big_endian; /* the handlers' values are numbers in big-endian byte order */
    bool unaligned;  /* unaligned accesses reach the handlers */
} pb_mmio;

/* New regions have one reference, for the caller; views and trees take their own. bytes is not 0,
 * except for containers, where 0 means 2^64. The name is copied. Parameters are the core's own: wrong
 * ones are asserted. [setup] or [device] */
pb_bus_region *pb_bus_region_new_container(pb_bus *bus, const char *name, uint64_t bytes);
pb_bus_region *pb_bus_region_new_ram(pb_bus *bus, const char *name, pb_ram *ram, uint64_t offset,
                                     uint64_t bytes);
/* Guest writes follow the space's rule for ROM. */
pb_bus_region *pb_bus_region_new_rom(pb_bus *bus, const char *name, pb_ram *ram, uint64_t offset,
                                     uint64_t bytes);
/* Writes by handler; reads direct at first, or by handler after pb_bus_region_set_romd(region, false). */
pb_bus_region *pb_bus_region_new_romd(pb_bus *bus, const char *name, pb_ram *ram, uint64_t offset,
                                      uint64_t bytes, const pb_mmio *mmio);
pb_bus_region *pb_bus_region_new_mmio(pb_bus *bus, const char *name, uint64_t bytes,
                                      const pb_mmio *mmio);
/* The bytes from `offset` of another region, again. */
pb_bus_region *pb_bus_region_new_alias(pb_bus *bus, const char *name, pb_bus_region *target,
                                       uint64_t offset, uint64_t bytes);
pb_bus_region *pb_bus_region_ref(pb_bus_region *region); /* [any] */
void pb_bus_region_unref(pb_bus_region *region);         /* [any]; null is fine */

const char *pb_bus_region_name(const pb_bus_region *region);

/* Put a region into a container at an offset; it must not be in one already. Where regions overlap, the higher
 * priority is seen, of equal ones the later added. What sticks out of the container is not seen. */
void pb_bus_region_add(pb_bus_region *container, pb_bus_region *child, uint64_t at, int priority);
void pb_bus_region_remove(pb_bus_region *child); /* from its container, if it is in one */
void pb_bus_region_move(pb_bus_region *child, uint64_t at);
void pb_bus_region_set_visible(pb_bus_region *region, bool visible); /* new ones are */
void pb_bus_region_set_romd(pb_bus_region *region, bool direct);

/* ---- address spaces -------------------------------------------------------------------------------- */

typedef enum pb_bus_rule {
    PB_RULE_ERROR = 0, /* PB_BUS_DECODE, or PB_BUS_ERROR where somebody is there */
    PB_RULE_ZEROS,     /* reads as zero, writes ignored */
    PB_RULE_ONES,      /* reads as ones, writes ignored */
} pb_bus_rule;

/* What a board does with bad accesses. All zero: errors, ROM writes are ignored, not logged. */
typedef struct pb_space_rules {
    uint8_t unassigned;   /* pb_bus_rule: nobody answers */
    uint8_t wrong_size;   /* pb_bus_rule: sizes and alignments that the region does not take */
    bool rom_write_error; /* writes to ROM are bus errors */
    bool log;             /* say each of them to the bus's log */
} pb_space_rules;

/* `root` is referenced; its offset 0 is address 0. [setup] */
pb_space *pb_space_new(pb_bus *bus, const char *name, pb_bus_region *root,
                       const pb_space_rules *rules);
void pb_space_free(pb_space *space); /* [setup]; null is fine */
pb_bus *pb_space_bus(const pb_space *space);

/* Another number for each published view, growing from 1. Software TLBs that were filled under another one
 * are stale. [any] */
uint64_t pb_space_generation(const pb_space *space);
/* Be called after each publication, by the thread that committed. [setup] */
void pb_space_listen(pb_space *space, void (*changed)(void *opaque), void *opaque);
void pb_space_unlisten(pb_space *space, void (*changed)(void *opaque), void *opaque);

typedef enum pb_range_kind {
    PB_RANGE_RAM = 1,
    PB_RANGE_ROM,
    PB_RANGE_ROMD, /* read direct, write by handler */
    PB_RANGE_MMIO, /* also a ROM-device whose reads are by handler */
} pb_range_kind;

/* One range of a view. Constant; valid while the reader is entered. */
typedef struct pb_range {
    uint64_t first, last;  /* addresses, inclusive */
    uint32_t kind;         /* pb_range_kind */
    pb_bus_region *region; /* that answers */
    uint64_t offset;       /* of `first` in it */
    pb_ram *ram;           /* RAM, ROM, ROM-device; otherwise null */
    uint64_t ram_offset;   /* of `first` in it */
    uint8_t *host;         /* of `first`; null for MMIO, also of a ROM-device */
} pb_range;

/* Walk the current map in address order: the range at or above gpa into *range; false past the last.
 * [device] or [setup] */
bool pb_space_next(pb_space *space, uint64_t gpa, pb_range *range);

/* ---- readers --------------------------------------------------------------------------------------- */

/* A reader is one thread's (or one lock's) ticket to look at views. Between enter and leave the views it
 * sees, and RAM they lead to, stay. Enters nest. What a reader that stays entered holds back is only
 * freed when it leaves: leave before sleeping. */
pb_reader *pb_reader_new(pb_bus *bus); /* [setup] */
void pb_reader_free(pb_reader *reader);
void pb_reader_enter(pb_reader *reader); /* [hot] */
void pb_reader_leave(pb_reader *reader);
/* The bus's own reader for code that holds the device lock. */
pb_reader *pb_bus_device_reader(pb_bus *bus);

/* The range that answers at gpa, or null. Entered readers only. O(log n), and a cache of one. [hot] */
const pb_range *pb_space_lookup(pb_space *space, pb_reader *reader, uint64_t gpa);

/* ---- accesses -------------------------------------------------------------------------------------- */

/* One access of 1, 2, 4 or 8 bytes, with the reader entered. May cross ranges and pages; the
 * pieces are then accessed in ascending order and the first failure ends it. `exact`: never split. MMIO
 * takes the device lock. [vcpu] or [device] */
pb_bus_result pb_space_read(pb_space *space, pb_reader *reader, uint64_t gpa, uint32_t size,
                            pb_attrs attrs, bool exact, uint64_t *value);
pb_bus_result pb_space_write(pb_space *space, pb_reader *reader, uint64_t gpa, uint32_t size,
                             pb_attrs attrs, bool exact, uint64_t value);
/* One access to a range that pb_space_lookup() gave and that holds all of it. */
pb_bus_result pb_range_read(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                            pb_attrs attrs, bool exact, uint64_t *value);
pb_bus_result pb_range_write(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                             pb_attrs attrs, bool exact, uint64_t value);

/* Copy any number of bytes, MMIO in pieces of at most 8. *done, if not null, tells how many bytes went
 * before a failure. [device] or [setup] */
pb_bus_result pb_space_copy_out(pb_space *space, uint64_t gpa, void *to, uint64_t bytes,
                                pb_attrs attrs, uint64_t *done);
pb_bus_result pb_space_copy_in(pb_space *space, uint64_t gpa, const void *from, uint64_t bytes,
                               pb_attrs attrs, uint64_t *done);

/* Write RAM, ROM and ROM-devices as the board's programmer would, zeros if `from` is null. False with the error
 * set, and nothing written, if some byte is none of these, or as pb_ram_fill() fails; `what` begins the message. The
 * machine stands still. [setup] */
bool pb_space_program(pb_space *space, uint64_t gpa, const void *from, uint64_t bytes,
                      const char *what, GError **error);

/* Whether all of the range is RAM. [device] or [setup] */
bool pb_space_is_ram(pb_space *space, uint64_t gpa, uint64_t bytes);

/* ---- DMA ------------------------------------------------------------------------------------------- */

/* The space as a bus master sees it (port.h), with a requester id of its own from pb_bus_requester()
 * or one that the bus it sits on gave. Valid until the free. [setup] */
pb_dma *pb_dma_new(pb_space *space, uint32_t requester);
void pb_dma_free(pb_dma *dma); /* null is fine; mappings that were not unmapped are released */
/* Change the requester id (a PCI function that got its number). [setup] or [device] */
void pb_dma_set_requester(pb_dma *dma, uint32_t requester);
/* A requester id that was not given out before; above all vCPU indexes. [setup] */
uint32_t pb_bus_requester(pb_bus *bus);

/* ---- for core/vcpu --------------------------------------------------------------------------------- */

/* How to take write tags of host pages [host, host + bytes) away from all vCPUs: returns when none can write
 * through one any more. [setup] */
void pb_bus_set_untag(pb_bus *bus, void (*untag)(void *opaque, const uint8_t *host, uint64_t bytes),
                      void *opaque);

/* ---- for caches of code ---------------------------------------------------------------------------- */

/* Code of a page became stale: `generation` is the page's as pb_ram_code_take() gave it, and was counted up already; bit i
 * of `lines` says that of the code in the 64 bytes from 64 i on. Called on the thread that wrote, which may hold
 * the device lock or be a vCPU in the middle of a store, and under the lock of the RAM: whoever writes the same place
 * goes on when all listeners have returned. It calls nothing of the bus. */
typedef void pb_code_stale_fn(void *opaque, const uint32_t *generation, uint64_t lines);

/* Pages of code that was read become mixed after so many writes beside the code (core/bus/ram.c); 0: never, as at first. `always`:
 * pb_bus_compares(), for tests. [setup] */
void pb_bus_mix_code(pb_bus *bus, uint32_t writes, bool always);
/* Whether all units shall compare their bytes, though writes are noticed. */
bool pb_bus_compares(const pb_bus *bus);
/* Mixed pages that there are. [any] */
uint64_t pb_bus_mixed_pages(const pb_bus *bus);

/* Be told of it. [setup] */
void pb_bus_listen_code(pb_bus *bus, pb_code_stale_fn *stale, void *opaque);
void pb_bus_unlisten_code(pb_bus *bus, pb_code_stale_fn *stale, void *opaque);

#endif
