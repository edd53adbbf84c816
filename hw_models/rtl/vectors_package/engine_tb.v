// Bench of a whole engine with the ports of el_top (`edgelearn rtl emit`): loads the first words through the host port,
// learns every sample, and compares class, status, generator and, behind every Nth sample, all words that learn.
//
//   edgelearn rtl emit engine FLAGS; edgelearn rtl vectors golden FLAGS; cd engine
//   iverilog -g2005 -I ../golden -s engine_tb -o bench ../golden/engine_tb.v el_*.v && vvp bench +vectors=../golden
//
// network.vh has the sizes of the network; widths (LW, CW, WAW, VB, RB) are those of the engine, in el_config.vh.
`timescale 1ns / 1ps

module engine_tb;
  `include "el_config.vh"
  `include "network.vh"

  reg clk, rst, in_valid, start, host_en, host_we;
  reg [LW-1:0] in_level;
  reg [CW-1:0] label;
  reg [WAW-1:0] host_addr;
  reg [VB+RB-1:0] host_wdata;
  wire busy, learned;
  wire [CW-1:0] predicted;
  wire [31:0] generator;
  wire [VB+RB-1:0] host_rdata;
  el_top top (.clk(clk), .rst(rst), .in_valid(in_valid), .in_level(in_level), .start(start), .learn(1'b1), .label(label),
      .halvings(5'd0), .busy(busy), .learned(learned), .predicted(predicted), .generator(generator), .host_en(host_en),
      .host_we(host_we), .host_addr(host_addr), .host_wdata(host_wdata), .host_rdata(host_rdata));

  reg [8*256-1:0] folder;
  reg [31:0] word;
  reg did_learn;
  integer inputs, labels, classes, statuses, states, sample, i, j, k, at, found, cycles, compared, wrong;
  integer weights[1:N_LAYERS], biases[1:N_LAYERS];

  task cycle;
    begin
      #1 clk = 1;
      #1 clk = 0;
    end
  endtask

  task open(output integer file, input [8*32-1:0] name, input integer layer);  // layer 0: in the folder itself
    reg [8*300-1:0] path;
    begin
      if (layer == 0) $sformat(path, "%0s/%0s.hex", folder, name);
      else $sformat(path, "%0s/layer%0d/%0s.hex", folder, layer, name);
      file = $fopen(path, "r");
      if (file == 0) begin
        $display("engine: DIFFERENT, %0s cannot be read", path);
        $finish;
      end
    end
  endtask

  task take(input integer file);
    begin
      found = $fscanf(file, "%h", word);
      if (found != 1) begin
        $display("engine: DIFFERENT, a file ends early at sample %0d", sample);
        $finish;
      end
    end
  endtask

  task compare(input [31:0] value, input [8*10-1:0] name, input integer layer, input integer place);
    begin
      compared = compared + 1;
      if (value !== word) begin
        wrong = wrong + 1;
        if (wrong <= 10) $display("sample %0d, %0s %0d of layer %0d: %h, wanted %h", sample, name, place, layer, value, word);
      end
    end
  endtask

  // of layer k: its words in the order of the host port, neuron by neuron, the bias last
  function integer size(input integer layer);
    size = SIZES >> (32 * layer);
  endfunction

  // a word in the engine's memory, where words without residual bits have zeros in their place
  task align(input integer layer, input integer is_bias);
    reg [31:0] bits;
    begin
      bits = (is_bias ? BIAS_WIDTHS : WEIGHT_WIDTHS) >> (32 * layer);
      word = (word << (VB + RB - bits)) & ((33'd1 << (VB + RB)) - 33'd1);
    end
  endtask

  task load_words;
    begin
      at = 0;
      host_en = 1;
      host_we = 1;
      for (k = 1; k <= N_LAYERS; k = k + 1) begin
        open(weights[k], "weights_start", k);
        open(biases[k], "biases_start", k);
        for (j = 0; j < size(k); j = j + 1)
          for (i = 0; i <= size(k - 1); i = i + 1) begin
            if (i < size(k - 1)) take(weights[k]);
            else take(biases[k]);
            align(k, i == size(k - 1));
            host_addr = at;
            host_wdata = word;
            cycle;
            at = at + 1;
          end
        $fclose(weights[k]);
        $fclose(biases[k]);
      end
      host_en = 0;
      host_we = 0;
    end
  endtask

  task compare_words;
    begin
      at = 0;
      host_en = 1;
      for (k = 1; k <= N_LAYERS; k = k + 1)
        for (j = 0; j < size(k); j = j + 1)
          for (i = 0; i <= size(k - 1); i = i + 1) begin
            host_addr = at;
            cycle;
            if (i < size(k - 1) ? LEARNS_WEIGHTS[k] : LEARNS_BIASES[k]) begin
              if (i < size(k - 1)) take(weights[k]);
              else take(biases[k]);
              align(k, i == size(k - 1));
              compare(host_rdata, i < size(k - 1) ? "weight" : "bias", k, j * size(k - 1) + i);
            end
            at = at + 1;
          end
      host_en = 0;
    end
  endtask

  initial begin
    if (!$value$plusargs("vectors=%s", folder)) folder = ".";
    clk = 0; rst = 1; in_valid = 0; start = 0; host_en = 0; host_we = 0; in_level = 0; label = 0; host_addr = 0;
    host_wdata = 0; compared = 0; wrong = 0; sample = 0;
    cycle; cycle;
    rst = 0;
    load_words;
    open(inputs, "inputs", 0);
    open(labels, "labels", 0);
    open(classes, "class", 0);
    open(statuses, "status", 0);
    if (STOCHASTIC_ROUNDING) begin
      open(states, "generator", 0);
      take(states);
    end
    for (k = 1; k <= N_LAYERS; k = k + 1) begin
      if (LEARNS_WEIGHTS[k]) open(weights[k], WORDS_EVERY > 0 ? "weights" : "weights_end", k);
      if (LEARNS_BIASES[k]) open(biases[k], WORDS_EVERY > 0 ? "biases" : "biases_end", k);
    end
    for (sample = 0; sample < N_SAMPLES; sample = sample + 1) begin
      take(labels);
      label = word;
      in_valid = 1;
      for (i = 0; i < size(0); i = i + 1) begin
        take(inputs);
        in_level = word;
        cycle;
      end
      in_valid = 0;
      start = 1;
      cycle;
      start = 0;
      did_learn = 0;
      for (cycles = 0; busy && cycles < 20000000; cycles = cycles + 1) begin
        did_learn = did_learn | learned;
        cycle;
      end
      take(classes);
      compare(predicted, "class", N_LAYERS, 0);
      take(statuses);
      compare(did_learn, "status", 0, 0);
      if (STOCHASTIC_ROUNDING) begin
        take(states);
        compare(generator, "generator", 0, 0);
      end
      if (WORDS_EVERY > 0 ? (sample + 1) % (WORDS_EVERY > 0 ? WORDS_EVERY : 1) == 0 : sample + 1 == N_SAMPLES) compare_words;
    end
    if (wrong == 0) $display("engine: equal, %0d values of %0d samples", compared, N_SAMPLES);
    else $display("engine: DIFFERENT, %0d of %0d values", wrong, compared);
    $finish;
  end
endmodule
