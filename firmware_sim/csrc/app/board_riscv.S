/* Start, semihosting and a window of the count of retired instructions for RV32. */
    .option arch, +zicsr

    .section .text.start, "ax"
    .global start
    .type start, @function
start:
    li sp, STACK_TOP
    la t0, fault
    csrw mtvec, t0
    la a0, data_from
    la a1, data_start
    la a2, data_end
1:  bgeu a1, a2, 2f
    lbu a3, 0(a0)
    sb a3, 0(a1)
    addi a0, a0, 1
    addi a1, a1, 1
    j 1b
2:  la a1, bss_start
    la a2, bss_end
3:  bgeu a1, a2, 4f
    sb zero, 0(a1)
    addi a1, a1, 1
    j 3b
4:  call board_main
    j leave

    .balign 4
fault:
    li a0, 100

/* a0: exit code */
leave:
    li a1, 0x20026  /* ADP_Stopped_ApplicationExit */
    addi sp, sp, -16
    sw a1, 0(sp)
    sw a0, 4(sp)
    li a0, 0x20     /* SYS_EXIT_EXTENDED */
    mv a1, sp
    call board_ask
5:  j 5b

/* The three instructions mean semihosting only uncompressed and within one page. */
    .section .text.board_ask, "ax"
    .global board_ask
    .type board_ask, @function
    .option push
    .option norvc
    .option norelax
    .balign 16
board_ask:
    slli x0, x0, 0x1f
    ebreak
    srai x0, x0, 7
    ret
    .option pop

    .section .text.board_nothing, "ax"
    .global board_nothing
    .type board_nothing, @function
board_nothing:
    ret
    .size board_nothing, . - board_nothing

    .section .text.board_window, "ax"
    .global board_window
    .type board_window, @function
board_window:
    addi sp, sp, -16
    sw ra, 12(sp)
    sw s0, 8(sp)
    sw s1, 4(sp)
    mv s1, a3
    mv t0, a0
    mv a0, a1
    mv a1, a2
    csrr s0, minstret
    jalr t0
    csrr t1, minstret
    sh a0, 0(s1)
    sub a0, t1, s0
    lw ra, 12(sp)
    lw s0, 8(sp)
    lw s1, 4(sp)
    addi sp, sp, 16
    ret
