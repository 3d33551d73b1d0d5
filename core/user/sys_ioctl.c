/* ioctl: the requests that are passed on to the host. Each has a row; what has none is not there. */
#include <core/user/handlers.h>
#include <core/user/strace.h>

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/loop.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <termios.h>

typedef enum kind {
    NUMBER, /* the argument is a number, or there is none */
    STRUCTURE, /* a structure without pointers, which is the same on all little-endian LP64 architectures */
    INTERFACES, /* struct ifconf */
} kind;

/* Requests whose numbers are asm-generic's, and those of most other architectures. */
static const struct {
    uint32_t request;
    kind kind;
} ioctls[] = {
    /* terminals */
    { TCGETS, STRUCTURE },
    { TCSETS, STRUCTURE },
    { TCSETSW, STRUCTURE },
    { TCSETSF, STRUCTURE },
    { 0x802c542a, STRUCTURE }, /* TCGETS2 */
    { 0x402c542b, STRUCTURE }, /* TCSETS2 */
    { 0x402c542c, STRUCTURE }, /* TCSETSW2 */
    { 0x402c542d, STRUCTURE }, /* TCSETSF2 */
    { TCGETA, STRUCTURE },
    { TCSETA, STRUCTURE },
    { TCSETAW, STRUCTURE },
    { TCSETAF, STRUCTURE },
    { TCSBRK, NUMBER },
    { TCSBRKP, NUMBER },
    { TCXONC, NUMBER },
    { TCFLSH, NUMBER },
    { TIOCEXCL, NUMBER },
    { TIOCNXCL, NUMBER },
    { TIOCGEXCL, STRUCTURE },
    { TIOCSCTTY, NUMBER },
    { TIOCNOTTY, NUMBER },
    { TIOCGPGRP, STRUCTURE },
    { TIOCSPGRP, STRUCTURE },
    { TIOCGSID, STRUCTURE },
    { TIOCOUTQ, STRUCTURE },
    { TIOCSTI, STRUCTURE },
    { TIOCGWINSZ, STRUCTURE },
    { TIOCSWINSZ, STRUCTURE },
    { TIOCMGET, STRUCTURE },
    { TIOCMSET, STRUCTURE },
    { TIOCMBIS, STRUCTURE },
    { TIOCMBIC, STRUCTURE },
    { TIOCMIWAIT, NUMBER },
    { TIOCGICOUNT, STRUCTURE },
    { TIOCGSOFTCAR, STRUCTURE },
    { TIOCSSOFTCAR, STRUCTURE },
    { TIOCGETD, STRUCTURE },
    { TIOCSETD, STRUCTURE },
    { TIOCPKT, STRUCTURE },
    { TIOCGPKT, STRUCTURE },
    { TIOCCONS, NUMBER },
    { TIOCVHANGUP, NUMBER },
    { TIOCGDEV, STRUCTURE },
    { TIOCSIG, NUMBER },
    { TIOCGPTN, STRUCTURE },
    { TIOCSPTLCK, STRUCTURE },
    { TIOCGPTLCK, STRUCTURE },
    { TIOCGPTPEER, NUMBER },
    { TIOCSBRK, NUMBER },
    { TIOCCBRK, NUMBER },
    /* all descriptors */
    { FIONREAD, STRUCTURE },
    { FIONBIO, STRUCTURE },
    { FIOASYNC, STRUCTURE },
    { FIOCLEX, NUMBER },
    { FIONCLEX, NUMBER },
    { FIOQSIZE, STRUCTURE },
    /* sockets and network interfaces */
    { FIOSETOWN, STRUCTURE },
    { SIOCSPGRP, STRUCTURE },
    { FIOGETOWN, STRUCTURE },
    { SIOCGPGRP, STRUCTURE },
    { SIOCATMARK, STRUCTURE },
    { SIOCGSTAMP_OLD, STRUCTURE },
    { SIOCGSTAMPNS_OLD, STRUCTURE },
    { SIOCGIFCONF, INTERFACES },
    { SIOCGIFNAME, STRUCTURE },
    { SIOCGIFINDEX, STRUCTURE },
    { SIOCGIFFLAGS, STRUCTURE },
    { SIOCSIFFLAGS, STRUCTURE },
    { SIOCGIFADDR, STRUCTURE },
    { SIOCSIFADDR, STRUCTURE },
    { SIOCGIFDSTADDR, STRUCTURE },
    { SIOCGIFBRDADDR, STRUCTURE },
    { SIOCGIFNETMASK, STRUCTURE },
    { SIOCSIFNETMASK, STRUCTURE },
    { SIOCGIFMETRIC, STRUCTURE },
    { SIOCGIFMTU, STRUCTURE },
    { SIOCSIFMTU, STRUCTURE },
    { SIOCGIFHWADDR, STRUCTURE },
    { SIOCGIFTXQLEN, STRUCTURE },
    { SIOCGIFMAP, STRUCTURE },
    { SIOCGARP, STRUCTURE },
    { TUNSETIFF, STRUCTURE },
    { TUNGETIFF, STRUCTURE },
    { TUNGETFEATURES, STRUCTURE },
    { TUNSETPERSIST, NUMBER },
    { TUNSETOWNER, NUMBER },
    /* block devices */
    { BLKROSET, STRUCTURE },
    { BLKROGET, STRUCTURE },
    { BLKRRPART, NUMBER },
    { BLKGETSIZE, STRUCTURE },
    { BLKFLSBUF, NUMBER },
    { BLKRASET, NUMBER },
    { BLKRAGET, STRUCTURE },
    { BLKFRAGET, STRUCTURE },
    { BLKSECTGET, STRUCTURE },
    { BLKSSZGET, STRUCTURE },
    { BLKBSZGET, STRUCTURE },
    { BLKGETSIZE64, STRUCTURE },
    { BLKDISCARD, STRUCTURE },
    { BLKSECDISCARD, STRUCTURE },
    { BLKZEROOUT, STRUCTURE },
    { BLKIOMIN, STRUCTURE },
    { BLKIOOPT, STRUCTURE },
    { BLKALIGNOFF, STRUCTURE },
    { BLKPBSZGET, STRUCTURE },
    { BLKDISCARDZEROES, STRUCTURE },
    { BLKROTATIONAL, STRUCTURE },
    { LOOP_SET_FD, NUMBER },
    { LOOP_CLR_FD, NUMBER },
    { LOOP_SET_STATUS64, STRUCTURE },
    { LOOP_GET_STATUS64, STRUCTURE },
    { LOOP_SET_CAPACITY, NUMBER },
    { LOOP_SET_BLOCK_SIZE, NUMBER },
    { LOOP_CONFIGURE, STRUCTURE },
    { LOOP_CTL_ADD, NUMBER },
    { LOOP_CTL_REMOVE, NUMBER },
    { LOOP_CTL_GET_FREE, NUMBER },
    /* file systems */
    { FIBMAP, STRUCTURE },
    { FIGETBSZ, STRUCTURE },
    { FIFREEZE, STRUCTURE },
    { FITHAW, STRUCTURE },
    { FITRIM, STRUCTURE },
    { FICLONE, NUMBER },
    { FICLONERANGE, STRUCTURE },
    { FIDEDUPERANGE, STRUCTURE },
    { FS_IOC_GETFLAGS, STRUCTURE },
    { FS_IOC_SETFLAGS, STRUCTURE },
    { FS_IOC_GETVERSION, STRUCTURE },
    { FS_IOC_SETVERSION, STRUCTURE },
    { FS_IOC_FIEMAP, STRUCTURE },
    { FS_IOC_FSGETXATTR, STRUCTURE },
    { FS_IOC_FSSETXATTR, STRUCTURE },
    { FS_IOC_GETFSLABEL, STRUCTURE },
    /* namespaces, random numbers, clocks */
    { NS_GET_USERNS, NUMBER },
    { NS_GET_PARENT, NUMBER },
    { NS_GET_NSTYPE, NUMBER },
    { NS_GET_OWNER_UID, STRUCTURE },
    { RNDGETENTCNT, STRUCTURE },
    { RNDADDTOENTCNT, STRUCTURE },
    { RTC_RD_TIME, STRUCTURE },
    { RTC_SET_TIME, STRUCTURE },
};

/* The addresses of interfaces into a buffer that the structure points to; without one the bytes that it needs. */
static int64_t get_interfaces(pb_user_thread *t, uint64_t fd, uint64_t gva)
{
    struct ifconf list;
    char *buffer;
    int64_t result;

    if (!pb_user_space_read(t->user->space, gva, &list, sizeof(list)))
        return -EFAULT;
    buffer = list.ifc_buf;
    list.ifc_buf = pb_user_pointer(t->user, (uint64_t)(uintptr_t)buffer);
    result = pb_user_host(t, SYS_ioctl, fd, SIOCGIFCONF, (uintptr_t)&list, 0, 0, 0);
    list.ifc_buf = buffer;
    if (result >= 0 && !pb_user_space_write(t->user->space, gva, &list, sizeof(list)))
        return -EFAULT;
    return result;
}

HANDLER(sys_ioctl)
{
    uint32_t request = (uint32_t)a[1];

    if (pb_user_owns_fd(t->user, (uint32_t)a[0]))
        return -EBADF;
    for (unsigned i = 0; i < G_N_ELEMENTS(ioctls); i++) {
        if (ioctls[i].request != request)
            continue;
        if (ioctls[i].kind == INTERFACES)
            return get_interfaces(t, a[0], a[2]);
        return pb_user_host(
            t, SYS_ioctl, a[0], request,
            ioctls[i].kind == NUMBER ? a[2] : (uint64_t)(uintptr_t)pb_user_pointer(t->user, a[2]),
            0, 0, 0);
    }
    if (fcntl((int)a[0], F_GETFD) < 0)
        return -EBADF;
    pb_user_missed_number(t->user, "ioctl", pb_names_ioctl, (uint32_t)a[1]);
    return -ENOTTY;
}
