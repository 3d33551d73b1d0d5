/*
 * Fields of system registers that this plugin acts on. DDI 0487, D17.
 */
#ifndef CPU_ARM64_SYSREGS_H
#define CPU_ARM64_SYSREGS_H

#include <stdint.h>

#define BIT64(n) (UINT64_C(1) << (n))

/* SCTLR_ELx */
#define SCTLR_M    BIT64(0)
#define SCTLR_A    BIT64(1)
#define SCTLR_C    BIT64(2)
#define SCTLR_SA   BIT64(3)
#define SCTLR_SA0  BIT64(4)
#define SCTLR_UMA  BIT64(9)
#define SCTLR_I    BIT64(12)
#define SCTLR_DZE  BIT64(14)
#define SCTLR_UCT  BIT64(15)
#define SCTLR_NTWI BIT64(16)
#define SCTLR_NTWE BIT64(18)
#define SCTLR_WXN  BIT64(19)
#define SCTLR_SPAN BIT64(23)
#define SCTLR_E0E  BIT64(24)
#define SCTLR_EE   BIT64(25)
#define SCTLR_UCI  BIT64(26)

/* Bits 29, 28, 23, 22, 20 and 11: RES1 in Armv8.0. */
#define SCTLR_EL1_RES1 UINT64_C(0x30d00800)
#define SCTLR_EL1_KNOWN                                                                          \
    (SCTLR_EL1_RES1 | SCTLR_M | SCTLR_A | SCTLR_C | SCTLR_SA | SCTLR_SA0 | SCTLR_UMA | SCTLR_I | \
     SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI | SCTLR_NTWE | SCTLR_WXN | SCTLR_E0E | SCTLR_EE |        \
     SCTLR_UCI)
/* Bits 29, 28, 23, 22, 18, 16, 11, 5 and 4. */
#define SCTLR_EL23_RES1 UINT64_C(0x30c50830)
#define SCTLR_EL23_KNOWN \
    (SCTLR_EL23_RES1 | SCTLR_M | SCTLR_A | SCTLR_C | SCTLR_SA | SCTLR_I | SCTLR_WXN | SCTLR_EE)
/* After reset, as the manuals of the Cortex-A53, A57 and A72 have it: WFI and WFE are not trapped, the stack pointer is
 * checked. Bit 5 of SCTLR_EL1, CP15BEN, is of AArch32. */
#define SCTLR_EL1_RESET UINT64_C(0x00c50818)
#define SCTLR_EL2_RESET UINT64_C(0x30c50838)
#define SCTLR_EL3_RESET UINT64_C(0x00c50838)

/* TCR_EL1 */
#define TCR_EL1_KNOWN UINT64_C(0x7fffffffbf) /* but for bit 6, RES0 */
#define TCR_EL1_A1    BIT64(22)              /* the ASID is that of TTBR1_EL1 */
#define TCR_EL1_AS    BIT64(36)              /* it has 16 bits */
#define TCR_EL1_HA    BIT64(39)
#define TCR_EL1_HD    BIT64(40)
#define TCR_EL1_HPD0  BIT64(41)
#define TCR_EL1_HPD1  BIT64(42)
#define TCR_EL1_EPD0  BIT64(7)
#define TCR_EL1_EPD1  BIT64(23)
#define TCR_EL1_TBI0  BIT64(37)
#define TCR_EL1_TBI1  BIT64(38)
/* TCR_EL2, TCR_EL3 */
#define TCR_EL23_KNOWN UINT64_C(0x8097ff3f)
#define TCR_EL23_TBI   BIT64(20)
#define TCR_EL23_HA    BIT64(21)
#define TCR_EL23_HD    BIT64(22)
#define TCR_EL23_HPD   BIT64(24)

/* VTCR_EL2 */
#define VTCR_HA BIT64(21)
#define VTCR_HD BIT64(22)

/* HCR_EL2 */
#define HCR_VM    BIT64(0)
#define HCR_PTW   BIT64(2)
#define HCR_FMO   BIT64(3)
#define HCR_IMO   BIT64(4)
#define HCR_AMO   BIT64(5)
#define HCR_VF    BIT64(6)
#define HCR_VI    BIT64(7)
#define HCR_VSE   BIT64(8)
#define HCR_FB    BIT64(9)
#define HCR_DC    BIT64(12)
#define HCR_TWI   BIT64(13)
#define HCR_TWE   BIT64(14)
#define HCR_TID1  BIT64(16)
#define HCR_TID2  BIT64(17)
#define HCR_TID3  BIT64(18)
#define HCR_TSC   BIT64(19)
#define HCR_TIDCP BIT64(20)
#define HCR_TACR  BIT64(21)
#define HCR_TSW   BIT64(22)
#define HCR_TPC   BIT64(23)
#define HCR_TPU   BIT64(24)
#define HCR_TTLB  BIT64(25)
#define HCR_TVM   BIT64(26)
#define HCR_TGE   BIT64(27)
#define HCR_TDZ   BIT64(28)
#define HCR_HCD   BIT64(29)
#define HCR_TRVM  BIT64(30)
#define HCR_RW    BIT64(31)
#define HCR_CD    BIT64(32)
#define HCR_ID    BIT64(33)
#define HCR_TLOR  BIT64(35)
#define HCR_KNOWN UINT64_C(0x3ffffffff)
#define HCR_SYSREG_TRAPS                                                                   \
    (HCR_TVM | HCR_TRVM | HCR_TID1 | HCR_TID2 | HCR_TID3 | HCR_TACR | HCR_TTLB | HCR_TPC | \
     HCR_TPU | HCR_TSW | HCR_TDZ | HCR_TIDCP | HCR_TLOR)

/* SCR_EL3 */
#define SCR_NS    BIT64(0)
#define SCR_IRQ   BIT64(1)
#define SCR_FIQ   BIT64(2)
#define SCR_EA    BIT64(3)
#define SCR_SMD   BIT64(7)
#define SCR_HCE   BIT64(8)
#define SCR_SIF   BIT64(9)
#define SCR_RW    BIT64(10)
#define SCR_ST    BIT64(11)
#define SCR_TWI   BIT64(12)
#define SCR_TWE   BIT64(13)
#define SCR_TLOR  BIT64(14)
#define SCR_KNOWN UINT64_C(0x3f8f)

/* CPTR_ELx */
#define CPTR_TFP   BIT64(10)
#define CPTR_TCPAC BIT64(31)

/* MDCR_ELx, MDSCR_EL1, OSLSR_EL1 */
#define MDCR_TPMCR BIT64(5)
#define MDCR_TPM   BIT64(6)
#define MDCR_TDE   BIT64(8)
#define MDCR_TDA   BIT64(9)
#define MDCR_TDOSA BIT64(10)
#define MDCR_TDRA  BIT64(11)
#define MDCR_SDD   BIT64(16) /* of EL3 */
#define MDSCR_SS   BIT64(0)
#define MDSCR_TDCC BIT64(12)
#define MDSCR_KDE  BIT64(13)
#define MDSCR_MDE  BIT64(15)
#define OSLSR_OSLK BIT64(1)

/* CNTKCTL_EL1, CNTHCTL_EL2 */
#define CNTKCTL_EL0PCTEN BIT64(0)
#define CNTKCTL_EL0VCTEN BIT64(1)
#define CNTKCTL_EL0VTEN  BIT64(8)
#define CNTKCTL_EL0PTEN  BIT64(9)
#define CNTHCTL_EL1PCTEN BIT64(0)
#define CNTHCTL_EL1PCEN  BIT64(1)

/* PMUSERENR_EL0, PMCR_EL0 */
#define PMUSERENR_EN BIT64(0)
#define PMUSERENR_SW BIT64(1)
#define PMUSERENR_CR BIT64(2)
#define PMUSERENR_ER BIT64(3)
#define PMCR_E       BIT64(0)
#define PMCR_P       BIT64(1)
#define PMCR_C       BIT64(2)
#define PMCR_LC      BIT64(6)

#endif
