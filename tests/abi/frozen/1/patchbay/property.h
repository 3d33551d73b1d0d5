/*
 * Properties: what a machine file may set on an instance. One row gives YAML validation, `patchbay
 * describe`, the JSON schema and the reference page.
 */
#ifndef PATCHBAY_PROPERTY_H
#define PATCHBAY_PROPERTY_H

#include <patchbay/base.h>

typedef enum pb_prop_type {
    PB_PROP_BOOL = 1, /* member: bool */
    PB_PROP_UINT,     /* member: uint8_t to uint64_t; a plain number, 0x allowed */
    PB_PROP_INT,      /* member: int8_t to int64_t */
    PB_PROP_SIZE,     /* member: uint32_t or uint64_t, bytes; `64MiB` */
    PB_PROP_HZ,       /* member: uint32_t or uint64_t; `24MHz` */
    PB_PROP_STRING,   /* member: const char *, owned by the host, lives as long as the instance */
    PB_PROP_PATH,     /* the same; relative to the machine file; null if empty */
    PB_PROP_ENUM,     /* member: uint8_t to uint32_t: index in choices */
    PB_PROP_UINTS,    /* member: pb_uints; a list of numbers */
} pb_prop_type;

/* A list of numbers, owned by the host. */
typedef struct pb_uints {
    const uint64_t *values;
    uint32_t count;
} pb_uints;

typedef struct pb_prop {
    const char *name;       /* as in the machine file: words-with-dashes */
    uint32_t type;          /* pb_prop_type */
    uint32_t offset, width; /* of the member: PB_MEMBER(type, member) */
    const char *initial;    /* the default as machine-file text; null: the property is required */
    uint64_t min, max; /* of numbers, both 0: no range but the member's. PB_PROP_INT: as int64_t */
    const char *const *choices; /* of PB_PROP_ENUM, ends with null */
    const char *doc;            /* one line */
} pb_prop;

/* Where the value of a row lives. */
#define PB_MEMBER(type, member) \
    .offset = offsetof(type, member), .width = PB_MEMBER_SIZE(type, member)

#endif
