// The same bench as el_bench.cpp in Verilog, for Icarus and others: plays samples.hex, writes answers.txt.
`timescale 1ns / 1ns
module el_bench;
`include "el_config.vh"
    reg clk, rst, in_valid, start, learn, host_en, did_learn;
    reg [LW-1:0] in_level;
    reg [CW-1:0] label;
    reg [4:0] halvings;
    reg [WAW-1:0] host_addr;
    wire busy, learned;
    wire [CW-1:0] predicted;
    wire [31:0] generator;
    wire [VB+RB-1:0] host_rdata;
`ifdef EL_COUNT
    reg [3:0] count_role;
    wire [47:0] count;
`endif

    el_top top (.clk(clk), .rst(rst), .in_valid(in_valid), .in_level(in_level), .start(start), .learn(learn),
        .label(label), .halvings(halvings), .busy(busy), .learned(learned), .predicted(predicted),
        .generator(generator), .host_en(host_en), .host_we(1'b0), .host_addr(host_addr),
        .host_wdata({(VB+RB){1'b0}}), .host_rdata(host_rdata)
`ifdef EL_COUNT
        , .count_clear(1'b0), .count_role(count_role), .count(count)
`endif
        );

    integer samples, answers, found, n_samples, n_in, n_words, every, s, i, cycles;
    reg [31:0] word;

    task cycle;
        begin
            #1 clk = 1;
            #1 clk = 0;
        end
    endtask

    task take;
        begin
            found = $fscanf(samples, "%h", word);
            if (found != 1) begin
                $display("el_bench: the file of samples ends early");
                $finish;
            end
        end
    endtask

    initial begin
        samples = $fopen("samples.hex", "r");
        answers = $fopen("answers.txt", "w");
        clk = 0; rst = 1; in_valid = 0; start = 0; host_en = 0; learn = 0; label = 0; halvings = 0;
        in_level = 0; host_addr = 0;
        cycle;
        cycle;
        rst = 0;
        take; n_samples = word;
        take; n_in = word;
        take; n_words = word;
        take; every = word;
        for (s = 0; s < n_samples; s = s + 1) begin
            take; learn = word[0];
            take; label = word[CW-1:0];
            take; halvings = word[4:0];
            for (i = 0; i < n_in; i = i + 1) begin
                take; in_level = word[LW-1:0];
                in_valid = 1;
                cycle;
            end
            in_valid = 0;
            start = 1;
            cycle;
            start = 0;
            cycles = 0;
            did_learn = 0;
            while (busy) begin
                did_learn = did_learn | learned;
                cycle;
                cycles = cycles + 1;
                if (cycles > 20000000) begin
                    $display("el_bench: the engine does not come to an end");
                    $finish;
                end
            end
            $fwrite(answers, "s %0h %0h %0h %0h\n", predicted, generator, did_learn, cycles);
            if ((s + 1) % every == 0 || s + 1 == n_samples) begin
                host_en = 1;
                for (i = 0; i < n_words; i = i + 1) begin
                    host_addr = i[WAW-1:0];
                    cycle;
                    $fwrite(answers, "%0h\n", host_rdata);
                end
                host_en = 0;
            end
        end
`ifdef EL_COUNT
        for (i = 0; i < 16; i = i + 1) begin
            count_role = i[3:0];
            #1 $fwrite(answers, "c %0h\n", count);
        end
`endif
        $fclose(answers);
        $finish;
    end
endmodule
