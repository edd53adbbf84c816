// p of a softmax from the q of all outputs (contract, section 3): a table of exponentials and a serial division.
// C + 2 cycles for their sum S, then 11 cycles for each output.
module el_softmax #(
    parameter N_OUT = 10,
    parameter NW = 8,
    parameter SW = 20,                   // bits of S
    parameter FILE = "exponential.hex"
) (
    input                 clk,
    input                 rst,
    input                 clear,         // a sample begins
    input                 q_valid,
    input      [NW-1:0]   q_output,
    input  signed [7:0]   q,
    input                 start,
    output                valid,         // a probability, of outputs in their order
    output     [7:0]      probability,
    output                done           // with the last one
);
    localparam RW = SW + 9;              // bits of the remainder
    localparam [NW-1:0] LAST = N_OUT[NW-1:0] - {{(NW-1){1'b0}}, 1'b1};
    localparam BITS = N_OUT > 1 ? $clog2(N_OUT) : 1;
    reg signed [7:0] qs [0:N_OUT-1];
    wire [BITS-1:0] q_place = q_output[BITS-1:0];
    reg signed [7:0] largest;
    always @(posedge clk) begin
        if (q_valid) qs[q_place] <= q;
        if (clear) largest <= -8'sd128;
        else if (q_valid && q > largest) largest <= q;
    end

    localparam IDLE = 3'd0, SUM = 3'd1, SUM_LAST = 3'd2, LOOK = 3'd3, LOAD = 3'd4, DIVIDE = 3'd5, GIVE = 3'd6;
    reg [2:0] state;
    reg [NW-1:0] c;
    reg [2:0] bits_left;
    reg [SW-1:0] total;
    reg [RW-1:0] remainder;
    reg [RW-1:0] divisor;
    reg [7:0] quotient;

    wire signed [8:0] largest_wide;
    el_extend #(.W(8), .OW(9)) extend_largest_wide (.value(largest), .out(largest_wide));
    wire [BITS-1:0] place = c[BITS-1:0];
    wire signed [7:0] q_now = qs[place];
    wire signed [8:0] q_wide;
    el_extend #(.W(8), .OW(9)) extend_q_wide (.value(q_now), .out(q_wide));
    wire signed [8:0] distance = largest_wide - q_wide;
    wire look = state == SUM || state == LOOK;
    wire [15:0] share;
    el_rom #(.AW(8), .W(16), .DEPTH(256), .FILE(FILE))
        exponential (.clk(clk), .en(look), .addr(distance[7:0]), .rdata(share));

    wire [RW-1:0] share_wide = {{(RW-16){1'b0}}, share};
    wire [SW-1:0] share_of_sum = {{(SW-16){1'b0}}, share};
    wire [RW-1:0] half = {{(RW-SW+1){1'b0}}, total[SW-1:1]};
    wire [RW-1:0] numerator = (share_wide << 8) - share_wide + half;
    wire fits = remainder >= divisor;
    reg summing;

    always @(posedge clk)
        if (rst) state <= IDLE;
        else case (state)
            IDLE: if (start) begin
                state <= SUM;
                c <= {NW{1'b0}};
                total <= {SW{1'b0}};
                summing <= 1'b0;
            end
            SUM: begin                   // the share looked up a cycle before is added
                summing <= 1'b1;
                if (summing) total <= total + share_of_sum;
                c <= c + {{(NW-1){1'b0}}, 1'b1};
                if (c == LAST) state <= SUM_LAST;
            end
            SUM_LAST: begin
                total <= total + share_of_sum;
                c <= {NW{1'b0}};
                state <= LOOK;
            end
            LOOK: state <= LOAD;
            LOAD: begin
                remainder <= numerator;
                divisor <= {{(RW-SW-7){1'b0}}, total, 7'd0};
                bits_left <= 3'd7;
                state <= DIVIDE;
            end
            DIVIDE: begin
                quotient <= {quotient[6:0], fits};
                if (fits) remainder <= remainder - divisor;
                divisor <= divisor >> 1;
                bits_left <= bits_left - 3'd1;
                if (bits_left == 3'd0) state <= GIVE;
            end
            GIVE: begin
                c <= c + {{(NW-1){1'b0}}, 1'b1};
                state <= c == LAST ? IDLE : LOOK;
            end
            default: state <= IDLE;
        endcase

    assign valid = state == GIVE;
    assign done = valid && c == LAST;
    assign probability = quotient;
    wire unused = &{1'b0, distance[8], q_output};
endmodule
