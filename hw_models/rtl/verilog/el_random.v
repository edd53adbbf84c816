// Random bits of stochastic rounding (contract, section 6): one xorshift32, a step for each draw.
// Neurons of a layer share its draws, so the state of the layer's start is kept and restarted for each neuron.
module el_random #(
    parameter [31:0] SEED = 1
) (
    input             clk,
    input             rst,
    input             restart,  // go back to the start of the layer
    input             draw,     // take a step
    input             commit,   // the layer is done: go on from here
    input      [1:0]  lane,     // j mod 4
    input      [7:0]  key,      // key_j
    output     [7:0]  rand8,    // of the draw taken last
    output reg [31:0] generator
);
    reg  [31:0] state;
    wire [31:0] a = state ^ (state << 13);
    wire [31:0] b = a ^ (a >> 17);
    wire [31:0] next = b ^ (b << 5);

    always @(posedge clk)
        if (rst) begin
            state <= SEED;
            generator <= SEED;
        end else begin
            if (restart) state <= generator;
            else if (draw) state <= next;
            if (commit) generator <= state;
        end

    wire [7:0] byte_of_lane = lane == 2'd0 ? state[7:0] : lane == 2'd1 ? state[15:8] :
                              lane == 2'd2 ? state[23:16] : state[31:24];
    assign rand8 = byte_of_lane ^ key;
endmodule
