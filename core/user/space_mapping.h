/* What a program's memory is made of: for space.c, which changes it, and space_look.c, which looks and copies. */
#ifndef CORE_USER_SPACE_MAPPING_H
#define CORE_USER_SPACE_MAPPING_H

#include <core/user/space.h>

#include <pthread.h>

/* What a mapping shows of its file. */
typedef struct origin {
    int refs;
    char *name;
    uint64_t device, inode;
} origin;

typedef struct mapping {
    uint64_t first, end;
    uint32_t prot; /* pb_prot */
    bool shared;
    bool was_code; /* was executable at some time */
    origin *file;  /* or null */
    uint64_t offset;
    bool moved;      /* the host makes it one with nothing that is mapped beside it later */
    bool unreserved; /* the host keeps no memory for it: MAP_NORESERVE */
} mapping;

struct pb_user_space {
    uint8_t *base;
    uint64_t bytes, top;
    void *reserved; /* the host's addresses: those, and guards */
    uint64_t reserved_bytes;
    pb_ram *ram;
    pb_bus_region *region;
    void (*flush)(void *opaque, uint64_t gva, uint64_t bytes);
    void *opaque;
    pthread_mutex_t change; /* changes come one after the other; outer */
    pthread_rwlock_t lock;  /* the tree */
    GTree *tree;            /* mapping -> mapping, by `first` */
    bool direct;            /* processors store without being noticed */
};

/* The mapping that has gva, or null. The tree's lock is held, or `change` by who only looks. */
mapping *mapping_at(const pb_user_space *space, uint64_t gva);

#endif
