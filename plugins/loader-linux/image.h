/*
 * What kind of file a kernel is, and where its parts go.
 *
 * Files are a user's, and may be cut, damaged or malicious: every number in them is checked before it is used.
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
    image_segment segments[IMAGE_SEGMENTS]; /* in RAM, and none overlaps another */
    uint32_t n_segments;
    uint64_t entry;    /* physical address of the first instruction, in a segment */
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

/* ---- what the files of this folder share ------------------------------------------------------------------- */

bool image_add(image *im, const image_segment *segment, const char *path, const image_options *o,
               pb_error *error);

/* Decompress a file into memory of the image, at most RAM's size; bytes and length become those. */
bool image_is_gzip(const uint8_t *bytes, uint64_t length);
bool image_inflate(image *im, const uint8_t **bytes, uint64_t *length, const char *path,
                   const image_options *o, pb_error *error);

bool image_is_elf(const uint8_t *bytes, uint64_t length);
bool image_examine_elf(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                       const image_options *o, pb_error *error);

/* What a file is that this loader does not start: "an x86 kernel (bzImage)"; null if it is not known. */
const char *image_foreign_name(const uint8_t *bytes, uint64_t length);

static inline unsigned long long image_ull(uint64_t value)
{
    return value;
}

#endif
