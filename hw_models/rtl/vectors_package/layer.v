// Example of a circuit under test: the arithmetic of one layer. Put your own in its place.
//
// layer_sum adds a product per cycle and gives z and the table index q.
// layer_step gives the step of one word and the word after it; no clock.
// Only named signed wires take part in arithmetic: concatenations are unsigned, and >>> of them a logical shift.

module layer_round #(parameter SHIFT = 1) (input signed [63:0] x, output signed [63:0] y);
  generate
    if (SHIFT > 0) begin : right
      wire signed [63:0] half = 64'sd1 <<< (SHIFT - 1);
      wire signed [63:0] sum = x + half;
      assign y = sum >>> SHIFT;
    end else begin : left
      assign y = x <<< -SHIFT;
    end
  endgenerate
endmodule

module layer_limit (input signed [63:0] x, input signed [63:0] low, input signed [63:0] high, output signed [63:0] y);
  assign y = x < low ? low : x > high ? high : x;
endmodule

module layer_sum #(parameter VIEW_BITS = 8, parameter ACCUMULATOR_BITS = 32, parameter SUM_SHIFT = 6) (
    input clk, input clear, input enable, input signed [8:0] x, input signed [VIEW_BITS-1:0] w,
    output signed [31:0] z, output signed [7:0] q);
  reg signed [31:0] sum;
  wire signed [31:0] product = x * w;
  always @(posedge clk)
    if (clear) sum <= 0;
    else if (enable) sum <= sum + product;

  wire signed [ACCUMULATOR_BITS-1:0] low = sum[ACCUMULATOR_BITS-1:0];
  assign z = low;
  wire signed [63:0] wide = z;
  wire signed [63:0] rounded, index;
  layer_round #(.SHIFT(SUM_SHIFT)) to_index (.x(wide), .y(rounded));
  layer_limit to_table (.x(rounded), .low(-64'sd128), .high(64'sd127), .y(index));
  assign q = index[7:0];
endmodule

module layer_step #(parameter STEP_SHIFT = 8, parameter STOCHASTIC = 0, parameter BIAS_BITS = 16) (
    input signed [8:0] x, input signed [15:0] d, input [7:0] random, input signed [15:0] word,
    input signed [15:0] least, output signed [15:0] step, output signed [15:0] moved);
  wire signed [63:0] most = (64'sd1 <<< (BIAS_BITS - 1)) - 64'sd1;
  wire signed [63:0] wide_x = x;
  wire signed [63:0] wide_d = d;
  wire signed [63:0] product = -(wide_x * wide_d);
  wire signed [63:0] v;
  generate
    if (STOCHASTIC) begin : draws
      wire signed [63:0] rounded, fine;
      layer_round #(.SHIFT(STEP_SHIFT - 8)) scale (.x(product), .y(rounded));
      layer_limit cut (.x(rounded), .low(-(most <<< 8)), .high(most <<< 8), .y(fine));
      wire signed [63:0] whole = fine >>> 8;
      assign v = random < fine[7:0] ? whole + 64'sd1 : whole;
    end else begin : nearest
      wire signed [63:0] rounded;
      layer_round #(.SHIFT(STEP_SHIFT)) scale (.x(product), .y(rounded));
      layer_limit cut (.x(rounded), .low(-most), .high(most), .y(v));
    end
  endgenerate
  wire signed [63:0] wide_least = least;
  wire signed [63:0] wide_word = word;
  wire signed [63:0] sum = wide_word + v;
  wire signed [63:0] next;
  layer_limit stop (.x(sum), .low(wide_least), .high(most), .y(next));
  assign step = v[15:0];
  assign moved = next[15:0];
endmodule
