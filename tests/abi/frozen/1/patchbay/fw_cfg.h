/*
 * The "fw-cfg" protocol: who has something to tell the firmware adds it here.
 */
#ifndef PATCHBAY_FW_CFG_H
#define PATCHBAY_FW_CFG_H

#include <patchbay/port.h>

#define PB_PROTOCOL_FW_CFG "fw-cfg"

typedef struct pb_fw_cfg_iface {
    uint32_t size;
    /* Add or replace an item by selector key, or a named file; the bytes are copied. False: the
     * directory is full or the name too long. [setup] */
    bool (*add_item)(void *self, uint16_t key, const void *bytes, uint32_t length);
    bool (*add_file)(void *self, const char *name, const void *bytes, uint32_t length);
} pb_fw_cfg_iface;

#endif
