/*
 * Guest memory as processors see it: memory attributes of IR operations, translations, faults, and
 * the layout of the first-level software TLB that emitted code probes.
 */
#ifndef PATCHBAY_MEMORY_H
#define PATCHBAY_MEMORY_H

#include <patchbay/base.h>

#define PB_PAGE_BITS 12
#define PB_PAGE_SIZE (UINT64_C(1) << PB_PAGE_BITS)
#define PB_PAGE_MASK (PB_PAGE_SIZE - 1)

/* ---- the attribute word of a memory operation ---------------------------------------------------- */

/* Layout of the 32-bit word; make it with pb_mem_attr() or by or-ing. (clang-format takes the masks
 * for the address operator.) */
/* clang-format off */
#define PB_MEM_SIZE_LOG2(n)  ((uint32_t)(n) & 7u)          /* bits 2:0, bytes accessed: 1 << n, 0..4 */
#define PB_MEM_SIGNED        (1u << 3)                     /* loads: sign-extend to the result type */
#define PB_MEM_BIG_ENDIAN    (1u << 4)
#define PB_MEM_ALIGN_LOG2(n) (((uint32_t)(n) & 7u) << 5)   /* bits 7:5, alignment that is required */
#define PB_MEM_ATOMIC        (1u << 8)                     /* single-copy atomic even if unaligned within 16 */
#define PB_MEM_ORDER(o)      (((uint32_t)(o) & 7u) << 9)   /* bits 11:9, pb_mem_order */
#define PB_MEM_MMU(i)        (((uint32_t)(i) & 15u) << 12) /* bits 15:12, MMU index, the cpu type's numbering */
#define PB_MEM_KIND(k)       (((uint32_t)(k) & 7u) << 16)  /* bits 18:16, pb_mem_kind */
#define PB_MEM_SPAN(s)       (((uint32_t)(s) & 255u) << 20) /* bits 27:20, span group in the instruction, 0: none */
/* Bits 30:28: the access is one of several elements of 1 << n bytes, no larger than it (a vector). Device memory
 * asks for their alignment, and is accessed element by element. 0: it is one element. The byte order is still
 * that of the whole. */
#define PB_MEM_ELEMENT_LOG2(n) ((((uint32_t)(n) + 1) & 7u) << 28)

#define PB_MEM_GET_SIZE_LOG2(a)  ((a) & 7u)
#define PB_MEM_GET_BYTES(a)      (1u << ((a) & 7u))
#define PB_MEM_GET_ALIGN_LOG2(a) (((a) >> 5) & 7u)
#define PB_MEM_GET_ORDER(a)      (((a) >> 9) & 7u)
#define PB_MEM_GET_MMU(a)        (((a) >> 12) & 15u)
#define PB_MEM_GET_KIND(a)       (((a) >> 16) & 7u)
#define PB_MEM_GET_SPAN(a)       (((a) >> 20) & 255u)
#define PB_MEM_HAS_ELEMENTS(a)   ((((a) >> 28) & 7u) != 0)
#define PB_MEM_GET_ELEMENT_BYTES(a) \
    (PB_MEM_HAS_ELEMENTS(a) ? 1u << ((((a) >> 28) & 7u) - 1) : PB_MEM_GET_BYTES(a))
/* clang-format on */

typedef enum pb_mem_order {
    PB_ORDER_NONE = 0,
    PB_ORDER_ACQUIRE_PC, /* RCpc: Arm LDAPR */
    PB_ORDER_ACQUIRE,    /* RCsc: Arm LDAR, loads */
    PB_ORDER_RELEASE,    /* Arm STLR, stores */
    PB_ORDER_ACQ_REL,    /* read-modify-writes */
    PB_ORDER_SEQ_CST,
} pb_mem_order;

typedef enum pb_mem_kind {
    PB_MEM_DATA = 0,
    PB_MEM_STACK,
    PB_MEM_WALK,         /* by a page walk or another hardware agent of the CPU */
    PB_MEM_DEVICE_EXACT, /* never merged, split or repeated */
} pb_mem_kind;

#define PB_MMU_INDEXES 16

/* Fences: which earlier accesses are ordered before which later ones. */
typedef enum pb_fence {
    PB_FENCE_LD_LD = 1,
    PB_FENCE_LD_ST = 2,
    PB_FENCE_ST_LD = 4,
    PB_FENCE_ST_ST = 8,
    PB_FENCE_ALL = 15,
} pb_fence;

typedef enum pb_rmw_op {
    PB_RMW_ADD = 0,
    PB_RMW_AND,
    PB_RMW_ANDN, /* old & ~operand */
    PB_RMW_OR,
    PB_RMW_XOR,
    PB_RMW_SMAX,
    PB_RMW_SMIN,
    PB_RMW_UMAX,
    PB_RMW_UMIN,
    PB_RMW_XCHG,
} pb_rmw_op;

/* ---- translations and faults ----------------------------------------------------------------------- */

typedef enum pb_access_type { PB_ACCESS_READ = 0, PB_ACCESS_WRITE, PB_ACCESS_FETCH } pb_access_type;

typedef enum pb_prot { PB_PROT_READ = 1, PB_PROT_WRITE = 2, PB_PROT_EXEC = 4 } pb_prot;

/* What a page walk is asked. */
typedef struct pb_walk_request {
    uint64_t gva;
    uint32_t type; /* pb_access_type */
    uint32_t mmu;  /* MMU index */
    uint32_t kind; /* pb_mem_kind */
    bool debug;    /* no side effects (access flags, logs), no alignment checks */
    uint8_t bytes; /* of the access, from gva on; 0: none is made */
} pb_walk_request;

/* What it found. */
typedef struct pb_translation {
    uint64_t gpa; /* of the byte asked for */
    /* size of the mapping, at least 1; smaller than PB_PAGE_SIZE: not cached */
    uint64_t page_bytes;
    uint32_t prot;        /* pb_prot: all that is allowed at this MMU index */
    pb_attrs attrs;       /* for the bus: secure, privileged; requester is filled by the core */
    uint8_t device;       /* device memory: unaligned accesses fault */
    uint8_t global;       /* not tied to an address-space id */
    uint8_t big_endian;   /* reserved, 0 */
    uint8_t memory_attr;  /* the cpu type's own, handed back by translate (Arm: MAIR byte) */
    uint8_t shareability; /* the same */
} pb_translation;

typedef enum pb_fault_kind {
    PB_FAULT_WALK = 1,  /* the walk refused; info is what the walk wrote */
    PB_FAULT_ALIGNMENT, /* the operation's required alignment, or unaligned on device memory */
    PB_FAULT_BUS,       /* nobody answered, or an error did */
    PB_FAULT_EXCLUSIVE, /* an exclusive or atomic on memory that does not support it */
    /* A debugger watches it; nothing was done. Only for vCPUs of a type that has `gdb` (cpu.h): its raise() takes no
     * exception, but sets leave_reason to PB_RUN_DEBUG and unwind. */
    PB_FAULT_DEBUG,
} pb_fault_kind;

/* A synchronous fault of a guest memory access or fetch. */
typedef struct pb_guest_fault {
    uint32_t kind; /* pb_fault_kind */
    uint32_t type; /* pb_access_type */
    uint64_t gva;  /* first byte that faulted */
    uint64_t gpa;  /* PB_FAULT_BUS */
    uint32_t attr; /* the operation's attribute word */
    uint32_t aux;  /* the instruction mark's aux word */
    /* the cpu type's own, written by its walk (Arm: fault status, level, stage 2 IPA) */
    uint64_t info[2];
} pb_guest_fault;

/* A page of code, for decoding and for validating units. */
typedef struct pb_code_page {
    const uint8_t *host; /* the page's bytes; null: not RAM or ROM, read by fetch accesses */
    uint64_t gpa;        /* of the page's first byte */
    /* Counts writes to what was read as code (code_reads); a unit is stale when it differs. Never null. */
    const uint32_t *generation;
    /* What it was when the page was marked: a unit records this value, and bytes are read after it. The mark
     * ends with the first write, so a value read later could belong to bytes that nobody watches. */
    uint32_t stamp;
} pb_code_page;

/* ---- first-level TLB --------------------------------------------------------------------------------- */

#define PB_TLB_BITS    10
#define PB_TLB_ENTRIES (1u << PB_TLB_BITS)

/* Direct mapped by gva bits 21:12, one for each live MMU index, structure of arrays. A tag is the page's
 * address with zero low bits, or pb_tlb_invalid(). There are no flag bits: anything unusual (MMIO, clean
 * page, code page, watchpoint, sub-page region) is an invalid tag for that kind of access. `addend` is what
 * makes a host address of an address in the page, modulo 2^64. Written only by the vCPU's own thread. */
typedef struct pb_tlb {
    uint64_t tag_read[PB_TLB_ENTRIES];
    uint64_t tag_write[PB_TLB_ENTRIES];
    uintptr_t addend[PB_TLB_ENTRIES];
} pb_tlb;

/* The tag of entry i that stands for no page. A probe takes the xor of tag and address for an offset, so a tag must not be
 * close to any address that is looked for in its entry: this one has all other index bits. */
static inline uint64_t pb_tlb_invalid(uint32_t i)
{
    return ~((uint64_t)i << PB_PAGE_BITS);
}

/* ---- second-level TLB -------------------------------------------------------------------------------- */

/* One for each vCPU, over all MMU indexes. Emitted code may look here at a miss of the first level, and enter what it
 * finds there; what it does not find the core does (ops->load and so on). Flushes and fills are the core's. All
 * of it is used on the vCPU's own thread.
 *
 * Pages and blocks of 2 MiB have tables of their own; a page that is in both is what the table of pages says. A tag is the
 * address of one, with the number of an address space in its low bits. An MMU index is in two spaces at a time: the
 * current one, and the one of mappings that are in all. Numbers are never 0. How many sets of pages are in use
 * is the core's choice, from 1 << PB_TLB2_BITS to PB_TLB2_SETS. */
#define PB_TLB2_BITS       11
#define PB_TLB2_MOST_BITS  14
#define PB_TLB2_SETS       (1u << PB_TLB2_MOST_BITS)
#define PB_TLB2_WAYS       4
#define PB_TLB2_BLOCK_BITS 7
#define PB_TLB2_BLOCK_SETS (1u << PB_TLB2_BLOCK_BITS)

#define PB_BLOCK_BITS 21
#define PB_BLOCK_SIZE (UINT64_C(1) << PB_BLOCK_BITS)
#define PB_BLOCK_MASK (PB_BLOCK_SIZE - 1)

/* Low bits of pb_tlb2_entry.plain. */
typedef enum pb_tlb2_plain {
    PB_TLB2_READ = 1,  /* tag_read may be entered */
    PB_TLB2_WRITE = 2, /* tag_write may, while *tagged is PB_TLB2_TAGGED */
} pb_tlb2_plain;

#define PB_TLB2_TAGGED 2

typedef struct pb_tlb2_entry {
    /* Host address of the first byte, with pb_tlb2_plain; 0: the core has to look. */
    uintptr_t plain;
    const uint8_t *tagged; /* of the first page; those of the other pages of a block follow */
    uint64_t own;          /* the core's */
    pb_attrs attrs;
} pb_tlb2_entry;

typedef struct pb_tlb2 {
    uint64_t tag[PB_TLB2_SETS][PB_TLB2_WAYS];
    pb_tlb2_entry entry[PB_TLB2_SETS][PB_TLB2_WAYS];
    uint64_t block_tag[PB_TLB2_BLOCK_SETS][PB_TLB2_WAYS];
    pb_tlb2_entry block[PB_TLB2_BLOCK_SETS][PB_TLB2_WAYS];
} pb_tlb2;

/* pb_tlb_refill.kinds: what the second level may have in the two spaces of an MMU index. */
typedef enum pb_tlb2_kinds {
    PB_TLB2_PAGES = 1,
    PB_TLB2_BLOCKS = 2,
    PB_TLB2_KINDS_BITS = 2, /* shift to those of the space for all */
} pb_tlb2_kinds;

/* pb_tlb_refill.touched: what kind of entries eight of the first level may have. */
typedef enum pb_tlb_touched {
    PB_TLB_TOUCHED_LOCAL = 1, /* found in space[0] */
    PB_TLB_TOUCHED_GLOBAL = 2,
} pb_tlb_touched;

/* How one MMU index is refilled. */
typedef struct pb_tlb_refill {
    uint32_t size;
    uint32_t space[2]; /* numbers: of the current one, of the one for all */
    /* A page's set is (page ^ page >> PB_TLB2_BITS ^ salt) & set_mask, a block's (block ^ block >> PB_TLB2_BLOCK_BITS
     * ^ salt) & (PB_TLB2_BLOCK_SETS - 1). */
    uint32_t salt[2];
    uint32_t set_mask;
    pb_tlb *first;
    pb_tlb2 *second;
    /* By index in the first level >> 3: written with each entry, else a flush would overlook it. */
    uint8_t touched[PB_TLB_ENTRIES / 8];
    uint8_t kinds; /* pb_tlb2_kinds */
} pb_tlb_refill;

#endif
