// Bench of one layer: replays its inputs and d, and compares z, q, y, g, every step and all words.
//
//   iverilog -g2005 -I layer1 -o bench layer_tb.v layer.v && vvp bench
//
// Run it in the folder of the vectors; layer.vh has the numbers of the layer. Learning is checked where the layer learns.
`timescale 1ns / 1ps

module layer_tb;
  `include "layer.vh"
  localparam X_COUNT = N_SAMPLES * N_IN, Y_COUNT = N_SAMPLES * N_OUT, WORDS = N_IN * N_OUT;

  reg [X_BITS-1:0] x_words[0:X_COUNT-1];
  reg [31:0] z_words[0:Y_COUNT-1];
  reg [7:0] q_words[0:Y_COUNT-1], y_words[0:Y_COUNT-1], activation[0:255];
  reg [6:0] g_words[0:Y_COUNT-1], gates[0:255];
  reg [D_BITS-1:0] d_words[0:Y_COUNT-1];
  reg [BIAS_BITS-1:0] step_words[0:N_STEPS > 0 ? N_STEPS - 1 : 0];
  reg [31:0] step_counts[0:N_SAMPLES-1], generators[0:N_SAMPLES-1];
  reg signed [WEIGHT_BITS-1:0] weights[0:WORDS-1], weights_end[0:WORDS-1];
  reg signed [BIAS_BITS-1:0] biases[0:N_OUT-1], biases_end[0:N_OUT-1];
  reg [7:0] keys[0:N_KEYS-1];
  reg [31:0] draws[0:N_IN];  // of one sample: an input each that is not zero, then the bias

  reg clk, clear, enable;
  reg signed [8:0] x;
  reg signed [15:0] d, word, least;
  reg signed [VIEW_BITS-1:0] view;
  reg [7:0] random;
  wire signed [31:0] z;
  wire signed [7:0] q;
  wire signed [15:0] step, moved;
  layer_sum #(.VIEW_BITS(VIEW_BITS), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .SUM_SHIFT(SUM_SHIFT))
      forward (.clk(clk), .clear(clear), .enable(enable), .x(x), .w(view), .z(z), .q(q));
  layer_step #(.STEP_SHIFT(STEP_SHIFT), .STOCHASTIC(STOCHASTIC), .BIAS_BITS(BIAS_BITS))
      update (.x(x), .d(d), .random(random), .word(word), .least(least), .step(step), .moved(moved));

  integer sample, i, j, at, event_at, begun, compared, wrong;
  reg [31:0] state;
  reg [7:0] y;
  reg active;

  task read_x(input integer place);  // widened to 9 bits, with its sign where it has one
    x = X_SIGNED && x_words[place][X_BITS-1] ? $signed({9'h1ff, x_words[place]}) : $signed({9'h0, x_words[place]});
  endtask

  task compare(input [31:0] found, input [31:0] wanted, input [8*8-1:0] name, input integer place);
    begin
      compared = compared + 1;
      if (found !== wanted) begin
        wrong = wrong + 1;
        if (wrong <= 10) $display("layer %0d, sample %0d, %0s %0d: %h, wanted %h", LAYER, sample, name, place, found, wanted);
      end
    end
  endtask

  task cycle;
    begin
      #1 clk = 1;
      #1 clk = 0;
    end
  endtask

  task predict(input integer neuron);
    begin
      clear = 1; cycle; clear = 0; enable = 1;
      for (i = 0; i < N_IN; i = i + 1) begin
        read_x(sample * N_IN + i);
        view = weights[neuron * N_IN + i] >>> (WEIGHT_BITS - VIEW_BITS);
        if (x != 0) cycle;
      end
      x = BIAS_LEVEL;
      view = biases[neuron] >>> (BIAS_BITS - VIEW_BITS);
      cycle;
      enable = 0;
    end
  endtask

  task next_draw(input integer place);
    begin
      state = state ^ (state << 13);
      state = state ^ (state >> 17);
      state = state ^ (state << 5);
      draws[place] = state;
    end
  endtask

  task draw_all;
    begin
      event_at = 0;
      state = generators[sample];
      for (i = 0; i < N_IN; i = i + 1)
        if (LEARNS_WEIGHTS && x_words[sample * N_IN + i] != 0) begin
          next_draw(event_at);
          event_at = event_at + 1;
        end
      next_draw(event_at);
    end
  endtask

  task learn(input integer neuron);
    begin
      event_at = 0;
      for (i = 0; i < N_IN; i = i + 1)
        if (LEARNS_WEIGHTS && x_words[sample * N_IN + i] != 0) begin
          read_x(sample * N_IN + i);
          word = weights[neuron * N_IN + i];
          least = WEIGHT_MIN;
          random = (draws[event_at] >> (8 * (neuron % 4))) ^ keys[neuron];
          #1 compare(step[BIAS_BITS-1:0], step_words[at], "step", at);
          weights[neuron * N_IN + i] = moved;
          at = at + 1;
          event_at = event_at + 1;
        end
      x = BIAS_LEVEL;
      word = biases[neuron];
      least = -(1 << (BIAS_BITS - 1));
      random = (draws[event_at] >> (8 * (neuron % 4))) ^ keys[neuron];
      #1 compare(step[BIAS_BITS-1:0], step_words[at], "step", at);
      biases[neuron] = moved;
      at = at + 1;
    end
  endtask

  initial begin
    $readmemh(`X_FILE, x_words);
    $readmemh({`FOLDER, "/z.hex"}, z_words);
    $readmemh({`FOLDER, "/q.hex"}, q_words);
    $readmemh({`FOLDER, "/weights_start.hex"}, weights);
    $readmemh({`FOLDER, "/weights_end.hex"}, weights_end);
    $readmemh({`FOLDER, "/biases_start.hex"}, biases);
    $readmemh({`FOLDER, "/biases_end.hex"}, biases_end);
    if (HIDDEN) begin
      $readmemh("tables/activation.hex", activation);
      $readmemh("tables/gate.hex", gates);
      $readmemh({`FOLDER, "/y.hex"}, y_words);
      $readmemh({`FOLDER, "/g.hex"}, g_words);
    end
    if (LEARNS_BIASES) begin
      $readmemh(`D_FILE, d_words);
      if (N_STEPS > 0) $readmemh({`FOLDER, "/step.hex"}, step_words);
      $readmemh({`FOLDER, "/step_count.hex"}, step_counts);
    end
    if (STOCHASTIC) $readmemh("tables/key.hex", keys);
    if (STOCHASTIC && LEARNS_BIASES) $readmemh({`FOLDER, "/generator.hex"}, generators);
    clk = 0; clear = 0; enable = 0; compared = 0; wrong = 0; at = 0;
    for (sample = 0; sample < N_SAMPLES; sample = sample + 1) begin
      for (j = 0; j < N_OUT; j = j + 1) begin
        predict(j);
        compare(z, z_words[sample * N_OUT + j], "z", j);
        compare(q[7:0], q_words[sample * N_OUT + j], "q", j);
        if (HIDDEN) begin
          y = activation[q[7:0]];
          if ($signed(y) <= EVENT_THRESHOLD && $signed(y) >= -EVENT_THRESHOLD) y = 0;
          compare(y, y_words[sample * N_OUT + j], "y", j);
          compare(gates[q[7:0]], g_words[sample * N_OUT + j], "g", j);
        end
      end
      if (LEARNS_BIASES) begin
        begun = at;
        active = 0;
        for (j = 0; j < N_OUT; j = j + 1) begin
          d = $signed(d_words[sample * N_OUT + j]);
          if (d != 0) begin
            if (!active && STOCHASTIC) draw_all;
            active = 1;
            learn(j);
          end
        end
        compare(at - begun, step_counts[sample], "count", 0);
      end
    end
    for (i = 0; i < WORDS; i = i + 1) compare(weights[i], weights_end[i], "weight", i);
    for (j = 0; j < N_OUT; j = j + 1) compare(biases[j], biases_end[j], "bias", j);
    if (wrong == 0) $display("layer %0d: equal, %0d values of %0d samples", LAYER, compared, N_SAMPLES);
    else $display("layer %0d: DIFFERENT, %0d of %0d values", LAYER, wrong, compared);
    $finish;
  end
endmodule
