/*
 * What kind of file a kernel is, and where its parts go.
 */
#ifndef LOADER_LINUX_IMAGE_H
#define LOADER_LINUX_IMAGE_H

#include <patchbay/base.h>

#define IMAGE_SEGMENTS 16

/* A piece to be placed: file bytes, then zeros up to memory_bytes. */
typedef struct image_segment {
    uint64_t gpa;
    const uint8_t *bytes;
    uint64_t file_bytes, memory_bytes;
} image_segment;

typedef struct image {
    image_segment segments[IMAGE_SEGMENTS];
    uint32_t n_segments;
    uint64_t entry;
    uint64_t end;      /* first address behind the highest segment */
    uint8_t *inflated; /* memory of a file that was compressed; the owner frees it */
} image;

typedef struct image_options {
    uint64_t ram_base, ram_bytes;
    uint64_t raw_address; /* where a file of no known kind goes, UINT64_MAX: it is an error */
} image_options;

/* Examine a kernel: gzip, ELF for AArch64, arm64 Image, or raw. The bytes must outlive the image. Errors name the file
 * and what is wrong with it. */
bool image_examine(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                   const image_options *options, pb_error *error);

#endif
