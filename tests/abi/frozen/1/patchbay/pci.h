/*
 * The "pci" protocol: between a host bridge, which provides slots, and functions, which require one.
 *
 * The bridge owns configuration space: it builds the header and the capabilities from the function's
 * description, places BARs and gates bus mastering; functions contain none of that. PCI Local Bus
 * Specification 3.0, chapter 6; PCI Express Base Specification, chapter 7.
 */
#ifndef PATCHBAY_PCI_H
#define PATCHBAY_PCI_H

#include <patchbay/device.h>

#define PB_PROTOCOL_PCI "pci"
#define PB_PCI_BARS     6

typedef enum pb_pci_bar_flags {
    PB_PCI_BAR_IO = 1,
    PB_PCI_BAR_64 = 2, /* takes two BAR registers */
    PB_PCI_BAR_PREFETCH = 4,
} pb_pci_bar_flags;

typedef struct pb_pci_bar {
    /* row index of the function's region (placed_by_bus), whose size must be a power of two */
    uint32_t region;
    uint32_t flags; /* pb_pci_bar_flags */
    uint64_t bytes; /* 0: this BAR does not exist */
} pb_pci_bar;

/* A vendor-specific or other capability: bytes after the next pointer are given, some of them writable. */
typedef struct pb_pci_capability {
    uint8_t id;
    uint8_t length;            /* whole, with id and next pointer */
    const uint8_t *bytes;      /* length bytes; the first two are ignored */
    const uint8_t *write_mask; /* length bytes; null: read-only */
} pb_pci_capability;

/* What a function is, asked once after its init. */
typedef struct pb_pci_description {
    uint32_t size;
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code; /* 24 bits: base, sub, interface */
    uint8_t revision;
    uint8_t interrupt_pin; /* 0 none, 1 INTA# ... */
    uint16_t msix_vectors; /* 0: no MSI-X */
    pb_pci_bar bars[PB_PCI_BARS];
    const pb_pci_capability *capabilities;
    uint32_t n_capabilities;
} pb_pci_description;

/* The function's table. */
typedef struct pb_pci_function_iface {
    uint32_t size;
    void (*describe)(void *self, uint32_t index, pb_pci_description *description); /* [setup] */
    /* Place or hide a BAR's region (object's region_map). [device] */
    void (*bar_map)(void *self, uint32_t index, uint32_t bar, uint64_t address, bool mapped);
    /* Access to a capability's bytes that the guest made: for windows such as virtio's PCI configuration
     * access. Read: before; write: after the stored bytes changed. May be null. [device] */
    void (*capability_read)(void *self, uint32_t index, uint32_t capability, uint32_t offset,
                            uint32_t bytes, uint8_t *stored);
    void (*capability_write)(void *self, uint32_t index, uint32_t capability, uint32_t offset,
                             uint32_t bytes, uint8_t *stored);
} pb_pci_function_iface;

/* The bridge's table. `index` is the port index: slot * 8 + function. */
typedef struct pb_pci_bus_iface {
    uint32_t size;
    void (*set_intx)(void *self, uint32_t index, bool level);         /* [device] */
    void (*msix_notify)(void *self, uint32_t index, uint32_t vector); /* [device] */
    bool (*msix_enabled)(void *self, uint32_t index);
    bool (*bus_master)(void *self, uint32_t index); /* DMA is allowed */
} pb_pci_bus_iface;

#endif
