/*
 * An image: a file or block device, with an overlay in front of it if writes are to be dropped.
 *
 * With an overlay the image is only read, and writes go to a temporary file that nobody else sees and that disappears
 * with us; a bitmap tells which sectors are there.
 *
 * Functions that transfer return 0 or an errno value. They may run on several threads at once; of requests that
 * overlap, either may win, sector by sector.
 */
#ifndef HOST_DISK_IMAGE_H
#define HOST_DISK_IMAGE_H

#include <patchbay/port.h>

#include <pthread.h>
#include <sys/types.h>

#define SECTOR 512u

typedef struct disk_image {
    const char *path;
    uint64_t bytes;
    int fd, overlay; /* overlay -1: none */
    bool device;     /* a block device */
    dev_t on;        /* with number: which file it is */
    ino_t number;
    uint32_t flush_error; /* atomic: an errno value that every later flush repeats */
    uint8_t *in_overlay;  /* bit per sector */
    pthread_mutex_t lock; /* in_overlay */
} disk_image;

/* Open and size it; the caller closes it, also after an error. Does not wait for anything. */
bool image_open(disk_image *im, const char *path, bool writable, bool overlay, pb_error *error);
void image_close(disk_image *im);
/* Lock it against others: writers are alone with an image, readers share it. 0, EAGAIN if somebody has it, or another
 * errno value. */
int image_lock(disk_image *im, bool writer);
bool image_is_same(const disk_image *a, const disk_image *b);

/* The pieces may end inside sectors; offset and their sum are whole sectors. */
int image_read(disk_image *im, const pb_iovec *iov, uint32_t count, uint64_t offset);
int image_write(disk_image *im, const pb_iovec *iov, uint32_t count, uint64_t offset);
int image_zero(disk_image *im, uint64_t length, uint64_t offset);
int image_discard(disk_image *im, uint64_t length, uint64_t offset);
/* What was written is on the disk. */
int image_flush(disk_image *im);

#endif
