/* Start, semihosting and a window of SysTick for Cortex-M, in Thumb-1 so that it serves every core. */
    .syntax unified
    .thumb

    .section .text.start, "ax"
    .word STACK_TOP
    .word start
    .rept 13
    .word fault
    .endr
    .word overflow

    .global start
    .type start, %function
    .thumb_func
start:
    ldr r0, =data_from
    ldr r1, =data_start
    ldr r2, =data_end
1:  cmp r1, r2
    bhs 2f
    ldrb r3, [r0]
    strb r3, [r1]
    adds r0, #1
    adds r1, #1
    b 1b
2:  ldr r1, =bss_start
    ldr r2, =bss_end
    movs r3, #0
3:  cmp r1, r2
    bhs 4f
    strb r3, [r1]
    adds r1, #1
    b 3b
4:  bl board_main
    b leave

    .thumb_func
fault:
    movs r0, #100
    b leave

    .thumb_func
overflow:
    movs r0, #101
    b leave

/* r0: exit code */
    .thumb_func
leave:
    ldr r1, =0x20026 /* ADP_Stopped_ApplicationExit */
    push {r0}
    push {r1}
    movs r0, #0x20   /* SYS_EXIT_EXTENDED */
    mov r1, sp
    bkpt 0xAB
    b .
    .ltorg

    .section .text.board_ask, "ax"
    .global board_ask
    .type board_ask, %function
    .thumb_func
board_ask:
    bkpt 0xAB
    bx lr

    .section .text.board_nothing, "ax"
    .global board_nothing
    .type board_nothing, %function
    .thumb_func
board_nothing:
    bx lr
    .size board_nothing, . - board_nothing

/* SysTick starts from 0 with the window, so that each begins at the same phase of a tick; should it come round, the
 * program ends there. */
    .section .text.board_window, "ax"
    .global board_window
    .type board_window, %function
    .thumb_func
board_window:
    push {r3, r4, r5, r6, r7, lr}
    mov r7, r0
    movs r0, r1
    movs r1, r2
    ldr r4, =0xE000E010
    ldr r2, =0x00FFFFFF
    movs r3, #0
    str r2, [r4, #4]  /* reload */
    str r3, [r4, #8]  /* value */
    movs r3, #7       /* the core's clock, an exception at 0, on */
    str r3, [r4, #0]
    ldr r5, [r4, #8]
    blx r7
    ldr r6, [r4, #8]
    movs r3, #0
    str r3, [r4, #0]
    ldr r3, [sp]
    strh r0, [r3]
    subs r0, r5, r6   /* it counts down */
    lsls r0, r0, #8
    lsrs r0, r0, #8
    pop {r3, r4, r5, r6, r7, pc}
    .ltorg
